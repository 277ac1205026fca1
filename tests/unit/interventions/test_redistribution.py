from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError, LayoutError
from scr_lens.grid import PatchGrid
from scr_lens.interventions import redistribution
from scr_lens.interventions.base import Intervention
from scr_lens.interventions.plan import RedistributionPlan, dense_operator
from scr_lens.interventions.redistribution import Redistribution, redistribute
from scr_lens.interventions.selection import plan_from_order

SEQ = 60


def random_plan(grid: PatchGrid, seed: int, n_sources: int = 2) -> RedistributionPlan:
    order = torch.randperm(grid.size, generator=torch.Generator().manual_seed(seed)).tolist()
    return plan_from_order(order, grid, ScrConfig(n_sources=n_sources))


def random_batch(seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, list[Any], list[Tensor]]:
    """Three samples: two grids at different offsets (left padding), and one that is left alone."""
    plans = [random_plan(PatchGrid(5, 6), seed), None, random_plan(PatchGrid(4, 7), seed + 1)]
    positions = [torch.arange(30) + 11, torch.arange(12) + 3, torch.arange(28) + 2 + seed % 5]
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, SEQ, 8, generator=generator, dtype=torch.float64).to(dtype), plans, positions


def by_matrix(resid: Tensor, plans: list[Any], positions: list[Tensor], lambda_: float) -> Tensor:
    expected = resid.clone()
    for row, (plan, places) in enumerate(zip(plans, positions, strict=True)):
        if plan is not None:
            expected[row, places] = dense_operator(plan, lambda_) @ resid[row, places].double()
    return expected


def by_loop(patches: Tensor, plan: RedistributionPlan, lambda_: float) -> Tensor:
    expected = patches.clone()
    for neighbor, owner in zip(plan.neighbors.tolist(), plan.owners.tolist(), strict=True):
        expected[neighbor] = patches[neighbor] + (lambda_ - 1) * patches[owner]
    for source in plan.sources.tolist():
        expected[source] = patches[source] / lambda_
    return expected


@given(st.integers(0, 10**6), st.floats(0.5, 2))
@settings(max_examples=40, deadline=None)
def test_redistribution_equals_the_dense_matrix(seed: int, lambda_: float) -> None:
    resid, plans, positions = random_batch(seed)
    torch.testing.assert_close(
        redistribute(resid, plans, positions, lambda_),
        by_matrix(resid, plans, positions, lambda_),
        rtol=1e-12,
        atol=1e-12,
    )


def test_redistribution_equals_a_loop_over_pairs() -> None:
    plan = random_plan(PatchGrid(5, 6), 3)
    patches = torch.randn(30, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    result = redistribute(patches[None], [plan], [torch.arange(30)], 1.1)[0]
    torch.testing.assert_close(result, by_loop(patches, plan, 1.1), rtol=1e-13, atol=1e-13)


@given(st.integers(0, 10**6), st.floats(-3, 3), st.floats(-3, 3))
@settings(max_examples=20, deadline=None)
def test_redistribution_is_linear(seed: int, a: float, b: float) -> None:
    x, plans, positions = random_batch(seed)
    y = random_batch(seed + 7)[0]
    together = redistribute(a * x + b * y, plans, positions, 1.1)
    apart = a * redistribute(x, plans, positions, 1.1) + b * redistribute(y, plans, positions, 1.1)
    torch.testing.assert_close(together, apart, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_lambda_one_is_exactly_the_identity_through_the_edit_path(dtype: torch.dtype) -> None:
    resid, plans, positions = random_batch(5, dtype)
    result = redistribute(resid, plans, positions, 1.0)
    assert result is not resid
    assert torch.equal(result, resid)
    assert not torch.equal(redistribute(resid, plans, positions, 1.1), resid)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_untouched_rows_are_bitwise_unchanged_and_the_input_is_not_written_to(dtype: torch.dtype) -> None:
    resid, plans, positions = random_batch(9, dtype)
    resid[:, 0] = -0.0
    before = resid.clone()
    result = redistribute(resid, plans, positions, 1.1)
    touched = torch.zeros(3, SEQ, dtype=torch.bool)
    for row in (0, 2):
        touched[row, positions[row][torch.cat([plans[row].sources, plans[row].neighbors])]] = True
    bits = {torch.float32: torch.int32, torch.bfloat16: torch.int16}[dtype]
    assert torch.equal(result.view(bits)[~touched], before.view(bits)[~touched])
    assert torch.equal(resid.view(bits), before.view(bits))
    assert (result != before).any(dim=-1)[touched].all()


@pytest.mark.parametrize(("dtype", "ulp"), [(torch.float16, 2.0**-10), (torch.bfloat16, 2.0**-7)])
def test_half_precision_keeps_the_injected_share(dtype: torch.dtype, ulp: float) -> None:
    resid, plans, positions = random_batch(11, dtype)
    expected = by_matrix(resid.double(), plans, positions, 1.1)
    result = redistribute(resid, plans, positions, 1.1)
    assert result.dtype == dtype
    scale = torch.maximum(expected.abs(), resid.double().abs().amax())
    assert ((result.double() - expected).abs() <= 0.6 * ulp * scale).all()
    for row in (0, 2):
        patches, plan = resid[row, positions[row]], plans[row]
        wide = patches.float()
        copies = (wide[plan.owners] * torch.tensor(1.1 - 1)).to(dtype)
        wanted = (wide[plan.neighbors] + copies.float()).to(dtype)
        assert torch.equal(result[row, positions[row][plan.neighbors]], wanted)
    equal = torch.ones(1, 30, 4, dtype=dtype)
    plan = random_plan(PatchGrid(5, 6), 1)
    ones = redistribute(equal, [plan], [torch.arange(30)], 1.1)[0]
    assert torch.equal(ones[plan.neighbors], torch.full((len(plan.neighbors), 4), 1.1).to(dtype))
    assert torch.equal(ones[plan.sources], torch.full((2, 4), 1 / 1.1).to(dtype))


def test_repeated_application_is_the_power_of_the_matrix() -> None:
    resid, plans, positions = random_batch(2)
    edit = Redistribution(plans, positions, 1.1, LayerRange(0, 3))
    result = resid
    for layer in range(6):
        result = edit(result, layer)
    expected = resid.clone()
    for row in (0, 2):
        power = torch.linalg.matrix_power(dense_operator(plans[row], 1.1), 4)
        expected[row, positions[row]] = power @ resid[row, positions[row]]
    torch.testing.assert_close(result, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("schedule", "acting"), [("every_layer", [2, 3, 4]), ("once", [4])])
def test_schedule_decides_the_layers(schedule: Any, acting: list[int]) -> None:
    resid, plans, positions = random_batch(4)
    edit = Redistribution(plans, positions, 1.1, LayerRange(2, 4), schedule)
    assert [layer for layer in range(7) if edit(resid, layer) is not resid] == acting
    assert list(edit.layers.layers) == acting
    assert isinstance(edit, Intervention)


def test_a_decode_step_is_returned_as_the_same_object() -> None:
    _, plans, positions = random_batch(0)
    edit = Redistribution(plans, positions, 1.1, LayerRange(0, 0))
    for length in (1, 40):
        step = torch.randn(3, length, 8)
        assert edit(step, 0) is step
    whole = torch.randn(3, 41, 8)
    assert edit(whole, 0) is not whole


def test_a_batch_without_plans_is_returned_as_the_same_object() -> None:
    resid, _, positions = random_batch(0)
    assert redistribute(resid, [None] * 3, positions, 1.1) is resid


def test_samples_do_not_depend_on_their_batch_mates() -> None:
    resid, plans, positions = random_batch(6, torch.float32)
    together = redistribute(resid, plans, positions, 1.1)
    for row in range(3):
        alone = redistribute(resid[row : row + 1], [plans[row]], [positions[row]], 1.1)
        assert torch.equal(together[row], alone[0])


def test_a_strided_stream_is_edited_like_a_packed_one() -> None:
    resid, plans, positions = random_batch(6)
    strided = resid.transpose(1, 2).contiguous().transpose(1, 2)
    assert not strided.is_contiguous()
    assert torch.equal(
        redistribute(strided, plans, positions, 1.1), redistribute(resid, plans, positions, 1.1)
    )


def test_rows_are_computed_once_per_length_and_type(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    original = redistribution._edit_rows

    def counted(*args: Any) -> redistribution.EditRows:
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(redistribution, "_edit_rows", counted)
    resid, plans, positions = random_batch(1)
    edit = Redistribution(plans, positions, 1.1, LayerRange(0, 11))
    for layer in range(12):
        edit(resid, layer)
    assert len(calls) == 1
    edit(resid[:, :50], 0)
    edit(resid.float(), 0)
    assert len(calls) == 3


def test_gradients_flow_as_through_the_matrix() -> None:
    plan, places = random_plan(PatchGrid(5, 6), 8), torch.arange(30)
    resid = torch.randn(1, 30, 2, dtype=torch.float64, requires_grad=True)
    cotangent = torch.randn(1, 30, 2, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(redistribute(resid, [plan], [places], 1.1), resid, cotangent)
    torch.testing.assert_close(gradient[0], dense_operator(plan, 1.1).T @ cotangent[0])


def peaks(vectors: Tensor, plan: RedistributionPlan, lambda_: float) -> tuple[float, float, int]:
    """Peak norm before and after one application, and the patch that held it before."""
    before = vectors.norm(dim=-1)
    after = redistribute(vectors[None], [plan], [torch.arange(plan.grid.size)], lambda_)[0].norm(dim=-1)
    return float(before.max()), float(after.max()), int(before.argmax())


@given(st.integers(0, 10**6), st.floats(1.05, 1.15), st.sampled_from(["source", "untouched", "neighbor"]))
@settings(max_examples=60, deadline=None)
def test_peak_preservation_where_it_holds(seed: int, lambda_: float, role: str) -> None:
    plan = random_plan(PatchGrid(6, 6), seed)
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(36, 3, dtype=torch.float64, generator=generator)
    edited = {*plan.sources.tolist(), *plan.neighbors.tolist()}
    untouched = next(cell for cell in range(36) if cell not in edited)
    peak = {"source": int(plan.sources[0]), "untouched": untouched, "neighbor": int(plan.neighbors[0])}[role]
    vectors[peak] *= 1.01 * vectors.norm(dim=-1).max() / vectors[peak].norm()
    owner = vectors[plan.owners[0]]
    if role == "neighbor" and vectors[peak] @ owner < 0:
        vectors[plan.owners[0]] = owner.clone() / lambda_
    before, after, holder = peaks(vectors, plan, lambda_)
    assert holder == peak
    assert after >= before / lambda_ * (1 - 1e-12)


@given(st.integers(0, 10**6), st.floats(1.05, 1.15), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_peak_preservation_of_a_neighbor_down_to_the_stated_angle(
    seed: int, lambda_: float, share: float
) -> None:
    lowest = -(1 - lambda_**-2 + (lambda_ - 1) ** 2) / (2 * (lambda_ - 1))
    cosine = lowest + share * (1 - lowest)
    ratio = float(torch.rand(1, generator=torch.Generator().manual_seed(seed)))
    before, after, _ = peaks(pair(ratio * cosine, ratio * (1 - cosine**2) ** 0.5), PAIR, lambda_)
    assert after >= before / lambda_ * (1 - 1e-12)


@given(st.integers(0, 10**6), st.floats(1, 2))
@settings(max_examples=60, deadline=None)
def test_peak_never_falls_below_two_minus_lambda(seed: int, lambda_: float) -> None:
    vectors = torch.randn(36, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).sign()
    before, after, _ = peaks(vectors, random_plan(PatchGrid(6, 6), seed), lambda_)
    assert after >= (2 - lambda_) * before - 1e-12


PAIR = RedistributionPlan(
    sources=torch.tensor([0]), neighbors=torch.tensor([1]), owners=torch.tensor([0]), grid=PatchGrid(1, 2)
)


def pair(along: float, across: float) -> Tensor:
    """A source with the given parts along and across its neighbor, which is the unit vector."""
    return torch.tensor([[along, across], [1.0, 0.0]], dtype=torch.float64)


@pytest.mark.parametrize("lambda_", [1.05, 1.10, 1.15])
def test_peak_preservation_fails_for_a_neighbor_opposite_to_a_source_of_nearly_its_norm(
    lambda_: float,
) -> None:
    before, after, holder = peaks(pair(-0.98, 0.0), PAIR, lambda_)
    assert (before, holder) == (1, 1)
    assert after == pytest.approx(1 - (lambda_ - 1) * 0.98)
    assert after < before / lambda_
    before, after, _ = peaks(pair(-1 / lambda_, 0.0), PAIR, lambda_)
    assert after == pytest.approx(before / lambda_)


def test_the_numbers_in_the_docstring() -> None:
    _, after, _ = peaks(pair(-0.95, 0.0), PAIR, 1.1)
    assert after == pytest.approx(0.905)
    assert after < 1 / 1.1
    assert pytest.approx(-0.918, abs=5e-4) == -(1 - 1.1**-2 + 0.1**2) / (2 * 0.1)


@pytest.mark.parametrize("lambda_", [0, -1.1, float("nan")])
def test_a_bad_lambda_is_refused(lambda_: float) -> None:
    resid, plans, positions = random_batch(0)
    with pytest.raises(ConfigError, match="lambda is"):
        redistribute(resid, plans, positions, lambda_)


def test_a_bad_schedule_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown schedule 'one'; did you mean 'once'"):
        Redistribution([], [], 1.1, LayerRange(0, 0), "one")  # type: ignore[arg-type]


def test_disagreeing_plans_positions_and_batches_are_refused() -> None:
    resid, plans, positions = random_batch(0)
    with pytest.raises(LayoutError, match="3 plans but 2 rows of image positions"):
        redistribute(resid, plans, positions[:2], 1.1)
    with pytest.raises(LayoutError, match="sample 0 has 29 image positions, its plan is for a 5x6"):
        redistribute(resid, plans, [positions[0][1:], *positions[1:]], 1.1)
    with pytest.raises(LayoutError, match="image positions of sample 2 are negative or unsorted"):
        redistribute(resid, plans, [*positions[:2], positions[2].flip(0)], 1.1)
    with pytest.raises(LayoutError, match=r"residual of shape \(2, 60, 8\) does not fit 3 plans"):
        redistribute(resid[:2], plans, positions, 1.1)
