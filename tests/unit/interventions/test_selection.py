from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scr_lens.config import Conflict, ScrConfig, Topology
from scr_lens.errors import ConfigError, DataError, LayoutError
from scr_lens.grid import PatchGrid
from scr_lens.interventions.plan import RedistributionPlan
from scr_lens.interventions.selection import plan_from_order, scramble, select


def near(grid: PatchGrid, a: int, b: int, topology: str) -> bool:
    dr, dc = abs(a // grid.width - b // grid.width), abs(a % grid.width - b % grid.width)
    return {"8": max(dr, dc) == 1, "4": dr + dc == 1, "radius-2": 0 < max(dr, dc) <= 2}[topology]


def brute_select(attention: list[float], grid: PatchGrid, config: ScrConfig) -> dict[str, list[int]]:
    """Repeat the rules of the paper patch by patch, with a search for the maximum instead of a sort."""
    height, width = grid.height, grid.width
    free = [
        cell
        for cell in range(grid.size)
        if not config.exclude_border or (0 < cell // width < height - 1 and 0 < cell % width < width - 1)
    ]
    owner: dict[int, int] = {}
    sources: list[int] = []
    n_sources = config.resolved_n_sources(grid.size)
    while free and len(sources) < n_sources:
        best = free[0]
        for cell in free:
            if attention[cell] > attention[best]:
                best = cell
        free.remove(best)
        if config.conflict == "skip_claimed" and best in owner:
            continue
        sources.append(best)
        if config.conflict == "skip_claimed":
            for cell in range(grid.size):
                if near(grid, cell, best, config.topology) and cell not in sources:
                    owner.setdefault(cell, best)
    if config.conflict == "sources_first":
        for cell in range(grid.size):
            claimants = [s for s in sources if near(grid, cell, s, config.topology)]
            if cell not in sources and claimants:
                owner[cell] = claimants[0]
    pairs = sorted(owner.items(), key=lambda pair: (sources.index(pair[1]), pair[0]))
    return {"sources": sources, "neighbors": [n for n, _ in pairs], "owners": [s for _, s in pairs]}


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[float], PatchGrid, ScrConfig]:
    grid = PatchGrid(draw(st.integers(5, 9)), draw(st.integers(5, 9)))
    levels = draw(st.sampled_from([2, 5, 1000]))
    attention = draw(st.lists(st.integers(0, levels), min_size=grid.size, max_size=grid.size))
    topology: Topology = draw(st.sampled_from(["8", "4", "radius-2"]))
    config = ScrConfig(
        n_sources=draw(st.integers(1, {"8": 3, "4": 5, "radius-2": 2}[topology])),
        topology=topology,
        conflict=draw(st.sampled_from(["sources_first", "skip_claimed"])),
        exclude_border=draw(st.booleans()),
    )
    return [value / levels for value in attention], grid, config


@given(cases())
@settings(max_examples=60, deadline=None)
def test_plan_equals_a_patch_by_patch_search(case: tuple[list[float], PatchGrid, ScrConfig]) -> None:
    attention, grid, config = case
    expected = brute_select(attention, grid, config)
    if len(expected["sources"]) < config.resolved_n_sources(grid.size):
        with pytest.raises(ConfigError, match="skip_claimed"):
            select(torch.tensor(attention), grid, config)
        return
    plan = select(torch.tensor(attention), grid, config).to_dict()
    assert {key: plan[key] for key in expected} == expected


def test_the_brute_force_comparison_also_covers_many_sources() -> None:
    grid = PatchGrid(12, 12)
    attention = torch.rand(grid.size, generator=torch.Generator().manual_seed(1))
    conflicts: tuple[Conflict, ...] = ("sources_first", "skip_claimed")
    for conflict in conflicts:
        config = ScrConfig(n_sources=8, conflict=conflict)
        expected = brute_select(attention.tolist(), grid, config)
        plan = select(attention, grid, config).to_dict()
        assert {key: plan[key] for key in expected} == expected


def test_plan_of_a_fixed_8x8_map() -> None:
    attention = torch.zeros(64)
    attention[[27, 28, 45, 10]] = torch.tensor([4.0, 3.0, 2.0, 1.0])
    attention[0] = 9.0
    plan = select(attention, PatchGrid(8, 8), ScrConfig())
    assert plan.to_dict() == {
        "grid": [8, 8],
        "sources": [27, 28, 45, 10],
        "neighbors": [
            *(18, 19, 20, 26, 34, 35, 36),
            *(21, 29, 37),
            *(38, 44, 46, 52, 53, 54),
            *(1, 2, 3, 9, 11, 17),
        ],
        "owners": [27] * 7 + [28] * 3 + [45] * 6 + [10] * 6,
    }


def test_skip_claimed_passes_over_a_candidate_next_to_a_source() -> None:
    attention = torch.zeros(64)
    attention[[27, 28, 45, 10, 53]] = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])
    plan = select(attention, PatchGrid(8, 8), ScrConfig(conflict="skip_claimed", n_sources=3))
    assert plan.sources.tolist() == [27, 45, 10]
    assert (plan.owners == 27).sum() == 8
    assert 28 in plan.neighbors


@pytest.mark.parametrize("size", [9, 24])
def test_ties_go_to_the_lowest_patch_number(size: int) -> None:
    grid = PatchGrid(size, size)
    plan = select(torch.ones(grid.size), grid, ScrConfig())
    assert plan.sources.tolist() == grid.interior()[: ScrConfig().resolved_n_sources(grid.size)].tolist()


def test_sources_lie_on_the_border_only_if_allowed() -> None:
    grid = PatchGrid(5, 5)
    attention = torch.arange(25.0)
    assert select(attention, grid, ScrConfig(n_sources=2)).sources.tolist() == [18, 17]
    assert select(attention, grid, ScrConfig(n_sources=2, exclude_border=False)).sources.tolist() == [24, 23]


def test_flipping_the_map_flips_the_plan() -> None:
    grid = PatchGrid(6, 7)
    attention = torch.randperm(42, generator=torch.Generator().manual_seed(2)).float()
    flipped = attention.reshape(6, 7).flip(1).reshape(-1)
    mirror = torch.arange(42).reshape(6, 7).flip(1).reshape(-1)
    plan = select(attention, grid, ScrConfig(n_sources=4))
    other = select(flipped, grid, ScrConfig(n_sources=4))
    assert other.sources.tolist() == mirror[plan.sources].tolist()
    pairs = {(int(mirror[n]), int(mirror[s])) for n, s in zip(plan.neighbors, plan.owners, strict=True)}
    assert pairs == set(zip(other.neighbors.tolist(), other.owners.tolist(), strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_type_selects(dtype: torch.dtype) -> None:
    attention = torch.zeros(25, dtype=dtype)
    attention[12] = 1
    assert select(attention, PatchGrid(5, 5), ScrConfig(n_sources=1)).sources.tolist() == [12]


def test_too_many_sources_are_refused_with_all_numbers() -> None:
    message = (
        r"n_sources is 10 but the 5x5 grid has 9 interior cells .* set n_sources to 9 or less, or exclude"
    )
    with pytest.raises(ConfigError, match=message):
        select(torch.rand(25), PatchGrid(5, 5), ScrConfig(n_sources=10))
    assert len(select(torch.rand(25), PatchGrid(5, 5), ScrConfig(n_sources=9)).sources) == 9
    with pytest.raises(ConfigError, match="n_sources is 26 but the 5x5 grid has 25 cells to choose from"):
        select(torch.rand(25), PatchGrid(5, 5), ScrConfig(n_sources=26, exclude_border=False))


def test_skip_claimed_that_runs_out_of_candidates_is_refused() -> None:
    attention = torch.zeros(25)
    attention[12] = 1
    with pytest.raises(
        ConfigError, match="n_sources is 2 but conflict='skip_claimed' leaves 1 sources on the 5x5"
    ):
        select(attention, PatchGrid(5, 5), ScrConfig(n_sources=2, conflict="skip_claimed"))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_attention_that_is_not_finite_is_refused(bad: float) -> None:
    attention = torch.zeros(25)
    attention[7] = bad
    with pytest.raises(DataError, match="attention of patch 7 is"):
        select(attention, PatchGrid(5, 5), ScrConfig(n_sources=1))


@pytest.mark.parametrize("shape", [(24,), (5, 5)])
def test_attention_of_another_shape_is_refused(shape: Any) -> None:
    with pytest.raises(LayoutError, match="does not fit the 5x5 grid; give 25 values"):
        select(torch.zeros(shape), PatchGrid(5, 5), ScrConfig(n_sources=1))


def check_scrambled(plan: RedistributionPlan, real: RedistributionPlan) -> None:
    width = real.grid.width
    assert plan.sources.tolist() == real.sources.tolist()
    assert plan.owners.tolist() == real.owners.tolist()
    for cell, source in zip(plan.neighbors.tolist(), plan.owners.tolist(), strict=True):
        assert max(abs(cell // width - source // width), abs(cell % width - source % width)) > 2
    assert len({*plan.neighbors.tolist(), *plan.sources.tolist()}) == len(plan.neighbors) + len(plan.sources)


@given(st.integers(0, 10**6), st.integers(10, 16), st.integers(10, 16))
@settings(max_examples=40, deadline=None)
def test_scrambled_neighbors_are_far_free_and_as_many(seed: int, height: int, width: int) -> None:
    grid = PatchGrid(height, width)
    attention = torch.rand(grid.size, generator=torch.Generator().manual_seed(seed))
    real = select(attention, grid, ScrConfig(n_sources=5))
    check_scrambled(select(attention, grid, ScrConfig(n_sources=5, topology="scrambled", seed=seed)), real)


def test_scrambled_keeps_the_counts_of_another_topology() -> None:
    grid = PatchGrid(12, 12)
    real = plan_from_order(range(grid.size), grid, ScrConfig(n_sources=6, topology="4"))
    check_scrambled(scramble(real, torch.Generator().manual_seed(0)), real)


def test_scrambled_draws_follow_the_seed_or_the_generator() -> None:
    grid, attention = PatchGrid(12, 12), torch.arange(144.0)

    def neighbors(seed: int, generator: torch.Generator | None = None) -> list[int]:
        config = ScrConfig(topology="scrambled", seed=seed)
        return select(attention, grid, config, generator).neighbors.tolist()

    assert neighbors(1) == neighbors(1) != neighbors(2)
    made = torch.Generator().manual_seed
    assert neighbors(1, made(5)) == neighbors(2, made(5)) != neighbors(1, made(6))


def test_scrambled_reaches_every_far_patch() -> None:
    grid = PatchGrid(6, 6)
    real = plan_from_order([7], grid, ScrConfig(n_sources=1))
    seen: set[int] = set()
    for seed in range(60):
        seen.update(scramble(real, torch.Generator().manual_seed(seed)).neighbors.tolist())
    assert seen == {cell for cell in range(36) if max(abs(cell // 6 - 1), abs(cell % 6 - 1)) > 2}


def test_a_grid_too_small_to_scramble_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="needs 8 free patches farther than 2 from source 12 of the 5x5 grid, 0"
    ):
        scramble(plan_from_order([12], PatchGrid(5, 5), ScrConfig(n_sources=1)), torch.Generator())
