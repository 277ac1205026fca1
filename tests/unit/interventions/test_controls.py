from collections import Counter

import pytest
import torch
from torch import Tensor

from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError, LayoutError
from scr_lens.grid import PatchGrid
from scr_lens.interventions.controls import GaussianNoise, ScaleNeighbors, uniform_plan
from scr_lens.interventions.plan import RedistributionPlan, dense_operator
from scr_lens.interventions.selection import plan_from_order

GRID = PatchGrid(5, 6)
PLACES = torch.arange(30) + 2


def plan_of(*sources: int) -> RedistributionPlan:
    return plan_from_order(sources, GRID, ScrConfig(n_sources=len(sources)))


def stream(batch: int = 1, dtype: torch.dtype = torch.float32, d_model: int = 16) -> Tensor:
    return torch.randn(batch, 36, d_model, generator=torch.Generator().manual_seed(0)).to(dtype)


def noise_edit(
    plans: list[RedistributionPlan | None], keys: list[str], seed: int = 0, lambda_: float = 1.1
) -> GaussianNoise:
    places = [PLACES] * len(plans)
    return GaussianNoise(plans, places, lambda_, LayerRange(0, 3), sample_keys=keys, seed=seed)


def test_uniform_plans_keep_the_rules_of_selection() -> None:
    grid, config = PatchGrid(9, 8), ScrConfig(n_sources=4, topology="4")
    for seed in range(20):
        plan = uniform_plan(grid, config, torch.Generator().manual_seed(seed))
        assert len(plan.sources) == 4
        assert grid.interior_mask()[plan.sources.numpy()].all()
        again = plan_from_order(plan.sources.tolist(), grid, config)
        assert again.to_dict() == plan.to_dict()


def test_uniform_sources_spread_evenly_over_the_interior() -> None:
    config, grid = ScrConfig(n_sources=1), PatchGrid(4, 5)
    draws = [uniform_plan(grid, config, torch.Generator().manual_seed(seed)) for seed in range(600)]
    counts = Counter(int(plan.sources[0]) for plan in draws)
    assert sorted(counts) == grid.interior().tolist()
    assert max(abs(count - 100) for count in counts.values()) < 45


def test_uniform_plan_obeys_skip_claimed_and_the_room_on_the_grid() -> None:
    config = ScrConfig(n_sources=4, conflict="skip_claimed")
    plan = uniform_plan(PatchGrid(12, 12), config, torch.Generator().manual_seed(3))
    rows, cols = plan.sources // 12, plan.sources % 12
    gaps = torch.maximum((rows[:, None] - rows).abs(), (cols[:, None] - cols).abs())
    assert (gaps[~torch.eye(4, dtype=torch.bool)] > 1).all()
    with pytest.raises(ConfigError, match="n_sources is 13 but the 5x6 grid has 12 interior cells"):
        uniform_plan(GRID, ScrConfig(n_sources=13), torch.Generator())


def test_noise_has_the_norm_of_the_source_copy_and_sources_shrink() -> None:
    resid, plan = stream(), plan_of(8, 15)
    patches = resid[0, PLACES]
    result = noise_edit([plan], ["a"])(resid, 1)[0, PLACES]
    added = (result - patches)[plan.neighbors]
    torch.testing.assert_close(added.norm(dim=-1), 0.1 * patches[plan.owners].norm(dim=-1), rtol=1e-4, atol=0)
    torch.testing.assert_close(result[plan.sources], patches[plan.sources] / 1.1)
    rest = torch.ones(30, dtype=torch.bool)
    rest[torch.cat([plan.sources, plan.neighbors])] = False
    assert torch.equal(result[rest], patches[rest])


def test_noise_points_in_random_directions() -> None:
    resid, plan = stream(d_model=512), plan_of(8, 15)
    patches = resid[0, PLACES]
    added = (noise_edit([plan], ["a"])(resid, 1)[0, PLACES] - patches)[plan.neighbors]
    unit = torch.nn.functional.normalize(added, dim=-1)
    cosines = unit @ unit.T - torch.eye(len(unit))
    assert cosines.abs().max() < 0.25
    assert (unit * torch.nn.functional.normalize(patches[plan.owners], dim=-1)).sum(dim=-1).abs().max() < 0.25
    assert unit.mean().abs() < 0.01


def test_noise_depends_on_seed_key_and_layer_only() -> None:
    resid, plan = stream(), plan_of(8, 15)
    first = noise_edit([plan], ["a"])(resid, 1)
    assert torch.equal(first, noise_edit([plan], ["a"])(resid, 1))
    others = [
        noise_edit([plan], ["b"])(resid, 1),
        noise_edit([plan], ["a"], seed=1)(resid, 1),
        noise_edit([plan], ["a"])(resid, 2),
    ]
    assert not any(torch.equal(first, other) for other in others)


def test_noise_does_not_depend_on_batch_mates() -> None:
    resid = stream(3)
    plans: list[RedistributionPlan | None] = [plan_of(8), None, plan_of(15, 10)]
    together = noise_edit(plans, ["a", "b", "c"])(resid, 0)
    for row, key in enumerate("abc"):
        alone = noise_edit([plans[row]], [key])(resid[row : row + 1], 0)
        torch.testing.assert_close(together[row], alone[0], rtol=1e-6, atol=1e-6)
    assert torch.equal(together[1], resid[1])


def test_noise_of_lambda_one_changes_nothing() -> None:
    resid = stream()
    assert torch.equal(noise_edit([plan_of(8)], ["a"], lambda_=1.0)(resid, 0), resid)


def test_noise_needs_a_key_per_sample() -> None:
    with pytest.raises(LayoutError, match="2 sample keys but 1 plans; give one key per sample"):
        noise_edit([plan_of(8)], ["a", "b"])


@pytest.mark.parametrize(
    ("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.02)]
)
def test_scaled_neighbors_have_the_norm_of_the_method_and_their_own_direction(
    dtype: torch.dtype, rtol: float
) -> None:
    resid, plan = stream(dtype=dtype), plan_of(8, 15)
    patches = resid[0, PLACES].double()
    edit = ScaleNeighbors([plan], [PLACES], 1.1, LayerRange(0, 0))
    result = edit(resid, 0)[0, PLACES].double()
    wanted = (dense_operator(plan, 1.1) @ patches).norm(dim=-1)
    touched = torch.cat([plan.sources, plan.neighbors])
    torch.testing.assert_close(result.norm(dim=-1)[touched], wanted[touched], rtol=rtol, atol=0)
    cosines = torch.nn.functional.cosine_similarity(result, patches)
    torch.testing.assert_close(cosines, torch.ones(30, dtype=torch.float64), rtol=rtol, atol=0)


def test_a_zero_neighbor_stays_zero() -> None:
    resid, plan = 1e15 * stream(), plan_of(8)
    resid[0, PLACES[plan.neighbors[0]]] = 0
    result = ScaleNeighbors([plan], [PLACES], 1.1, LayerRange(0, 0))(resid, 0)
    assert result.isfinite().all()
    assert torch.equal(result[0, PLACES[plan.neighbors[0]]], torch.zeros(16))


def test_scaling_with_lambda_one_changes_nothing() -> None:
    resid = stream()
    assert torch.equal(ScaleNeighbors([plan_of(8)], [PLACES], 1.0, LayerRange(0, 0))(resid, 0), resid)
