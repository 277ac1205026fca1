from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError, LayoutError
from scr_lens.grid import PatchGrid
from scr_lens.interventions.base import Identity, Intervention
from scr_lens.interventions.controls import GaussianNoise, ScaleNeighbors
from scr_lens.interventions.redistribution import Redistribution
from scr_lens.interventions.registry import METHODS, find_method
from scr_lens.interventions.selection import select
from scr_lens.layout import TokenLayout

GRIDS = (PatchGrid(12, 12), PatchGrid(10, 11))
CONFIG = ScrConfig(layers=LayerRange(1, 2), n_sources=4)


def layout(grid: PatchGrid, offset: int) -> TokenLayout:
    end = offset + grid.size
    return TokenLayout(
        image_positions=torch.arange(offset, end),
        grid=grid,
        text_after_image=torch.arange(end, 150),
        question=torch.arange(end, 150),
        last=149,
        seq_len=150,
        n_pad=0,
    )


LAYOUTS = (layout(GRIDS[0], 2), layout(GRIDS[1], 30))


def maps() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.rand(grid.size, generator=generator) for grid in GRIDS)


def build(name: str, config: ScrConfig = CONFIG, keys: tuple[str, ...] = ("a", "b")) -> Any:
    method = METHODS[name]
    attention = maps() if method.needs_attention else None
    return method.build(attention, LAYOUTS, 4, "llava", config, keys)


def stream() -> Tensor:
    return torch.randn(2, 150, 8, generator=torch.Generator().manual_seed(1))


def test_methods_are_keyed_by_their_names() -> None:
    names = ["vanilla", "identity", "scr", "uniform-smooth", "gaussian-noise", "scrambled", "norm-only"]
    assert list(METHODS) == names
    assert [method.name for method in METHODS.values()] == names
    assert len({method.description for method in METHODS.values()}) == len(names)
    assert not any("\n" in method.description for method in METHODS.values())
    assert [name for name in names if not METHODS[name].needs_attention] == ["vanilla", "uniform-smooth"]
    with pytest.raises(FrozenInstanceError):
        METHODS["scr"].name = "x"  # type: ignore[misc]


def test_find_method_names_the_closest_known_method() -> None:
    assert find_method("scr") is METHODS["scr"]
    with pytest.raises(
        ConfigError, match=r"unknown method 'uniform'; did you mean 'uniform-smooth'.*: vanilla"
    ):
        find_method("uniform")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("vanilla", Identity),
        ("identity", Redistribution),
        ("scr", Redistribution),
        ("uniform-smooth", Redistribution),
        ("gaussian-noise", GaussianNoise),
        ("scrambled", Redistribution),
        ("norm-only", ScaleNeighbors),
    ],
)
def test_every_method_builds_its_intervention(name: str, kind: type) -> None:
    edit = build(name)
    assert type(edit) is kind
    assert isinstance(edit, Intervention)
    resid = stream()
    acting = [layer for layer in range(4) if edit(resid, layer) is not resid]
    assert acting == ([] if name == "vanilla" else [1, 2])
    unchanged = torch.equal(edit(resid, 1), resid)
    assert unchanged == (name in ("vanilla", "identity"))


def test_scr_uses_the_selected_plan_of_each_sample() -> None:
    edit = build("scr")
    for plan, attention, grid in zip(edit.plans, maps(), GRIDS, strict=True):
        assert plan.to_dict() == select(attention, grid, CONFIG).to_dict()
    assert edit.lambda_ == CONFIG.lambda_


@pytest.mark.parametrize("name", ["identity", "gaussian-noise", "norm-only"])
def test_controls_of_the_edit_share_the_plans_of_scr(name: str) -> None:
    plans = [plan.to_dict() for plan in build("scr").plans]
    assert [plan.to_dict() for plan in build(name).plans] == plans


def test_scrambled_keeps_sources_and_counts_of_scr_and_moves_neighbors() -> None:
    for topology in ("8", "4"):
        config = replace(CONFIG, topology=topology)
        for plan, real in zip(build("scrambled", config).plans, build("scr", config).plans, strict=True):
            assert plan.sources.tolist() == real.sources.tolist()
            assert plan.owners.tolist() == real.owners.tolist()
            assert plan.neighbors.tolist() != real.neighbors.tolist()


def test_scrambled_is_the_method_scr_with_the_scrambled_topology() -> None:
    config = replace(CONFIG, topology="scrambled")
    plans = [plan.to_dict() for plan in build("scrambled").plans]
    assert [plan.to_dict() for plan in build("scr", config).plans] == plans
    assert [plan.to_dict() for plan in build("scrambled", config).plans] == plans


@pytest.mark.parametrize("name", ["uniform-smooth", "scrambled"])
def test_draws_follow_seed_and_sample_key_not_the_batch(name: str) -> None:
    plan = build(name).plans[1].to_dict()
    method = METHODS[name]
    attention = maps()[1:] if method.needs_attention else None
    alone: Any = method.build(attention, LAYOUTS[1:], 4, "llava", CONFIG, ("b",))
    assert alone.plans[0].to_dict() == plan
    assert build(name, replace(CONFIG, seed=1)).plans[1].to_dict() != plan
    assert build(name, keys=("a", "c")).plans[1].to_dict() != plan


def test_noise_of_the_registry_follows_the_sample_key() -> None:
    resid = stream()
    edits = [build("gaussian-noise", keys=keys)(resid, 1) for keys in (("a", "b"), ("x", "b"))]
    assert torch.equal(edits[0][1], edits[1][1])
    assert not torch.equal(edits[0][0], edits[1][0])


def test_default_layers_and_schedule_reach_the_intervention() -> None:
    edit: Any = METHODS["scr"].build(maps(), LAYOUTS, 32, "llava", ScrConfig(n_sources=4), ("a", "b"))
    assert edit.layers == LayerRange(0, 11)
    once = replace(CONFIG, schedule="once")
    assert {build(name, once).layers for name in METHODS} == {None, LayerRange(2, 2)}


def test_missing_maps_and_unequal_counts_are_refused() -> None:
    with pytest.raises(ConfigError, match="method 'scr' got no attention maps; run the diagnostic pass"):
        METHODS["scr"].build(None, LAYOUTS, 4, "llava", CONFIG, ("a", "b"))
    message = "method 'scr' got 2 layouts, 2 sample keys and 1 attention maps"
    with pytest.raises(LayoutError, match=message):
        METHODS["scr"].build(maps()[:1], LAYOUTS, 4, "llava", CONFIG, ("a", "b"))
    with pytest.raises(LayoutError, match="method 'vanilla' got 2 layouts, 1 sample keys"):
        METHODS["vanilla"].build(None, LAYOUTS, 4, "llava", CONFIG, ("a",))
    with pytest.raises(ConfigError, match="layers 1-2 do not fit a model with 2 blocks"):
        METHODS["vanilla"].build(None, LAYOUTS, 2, "llava", CONFIG, ("a", "b"))
