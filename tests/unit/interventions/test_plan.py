from typing import Any

import pytest
import torch

from scr_lens.errors import ConfigError, LayoutError
from scr_lens.grid import PatchGrid
from scr_lens.interventions.plan import RedistributionPlan, dense_operator


def make_plan(sources: list[int], neighbors: list[int], owners: list[int]) -> RedistributionPlan:
    tensors: list[Any] = [torch.tensor(values, dtype=torch.long) for values in (sources, neighbors, owners)]
    return RedistributionPlan(
        sources=tensors[0], neighbors=tensors[1], owners=tensors[2], grid=PatchGrid(2, 3)
    )


def test_plan_reports_its_neighbors_per_source_and_plain_values() -> None:
    plan = make_plan([4, 1], [3, 5, 0], [4, 4, 1])
    assert plan.neighbors_per_source == 1.5
    assert plan.to_dict() == {
        "grid": [2, 3],
        "sources": [4, 1],
        "neighbors": [3, 5, 0],
        "owners": [4, 4, 1],
    }


def test_an_empty_plan_has_no_neighbors_per_source() -> None:
    assert make_plan([], [], []).neighbors_per_source == 0


@pytest.mark.parametrize(
    ("sources", "neighbors", "owners", "message"),
    [
        ([6], [], [], "plan holds patch 6 outside the 2x3 grid; use patch numbers from 0 to 5"),
        ([0], [-1], [0], "plan holds patch -1 outside"),
        ([1, 1], [], [], "plan edits patch 1 more than once"),
        ([1], [2, 2], [1, 1], "plan edits patch 2 more than once"),
        ([1, 2], [2], [1], "plan edits patch 2 more than once"),
        ([1], [2], [], "plan has 1 neighbors, 0 owners"),
        ([1], [2], [3], "plan names patch 3 as an owner but it is no source"),
    ],
)
def test_inconsistent_plans_are_refused(
    sources: list[int], neighbors: list[int], owners: list[int], message: str
) -> None:
    with pytest.raises(LayoutError, match=message):
        make_plan(sources, neighbors, owners)


def test_dense_operator_written_out() -> None:
    expected = torch.eye(6, dtype=torch.float64)
    expected[4, 4] = expected[1, 1] = 0.8
    expected[3, 4] = expected[5, 4] = expected[0, 1] = 0.25
    assert torch.equal(dense_operator(make_plan([4, 1], [3, 5, 0], [4, 4, 1]), 1.25), expected)


def test_nominal_gain_is_the_growth_of_equal_aligned_patches() -> None:
    plan = make_plan([4, 1], [3, 5, 0], [4, 4, 1])
    touched = torch.tensor([4, 1])
    column_sums = dense_operator(plan, 1.1).sum(dim=0)[touched]
    assert plan.nominal_gain(1.1) == pytest.approx(float(column_sums.mean()), rel=1e-12)
    assert plan.nominal_gain(1.0) == 1
    with pytest.raises(ConfigError, match=r"lambda is 0\.0"):
        plan.nominal_gain(0.0)


def test_nominal_gain_gives_the_number_of_the_paper_for_six_neighbors() -> None:
    plan = RedistributionPlan(
        sources=torch.tensor([5]),
        neighbors=torch.tensor([0, 1, 2, 4, 6, 8]),
        owners=torch.full((6,), 5),
        grid=PatchGrid(3, 4),
    )
    assert plan.nominal_gain(1.1) == pytest.approx(1.51, abs=0.005)


def test_dense_operator_refuses_lambda_zero() -> None:
    with pytest.raises(ConfigError, match=r"lambda is 0\.0"):
        dense_operator(make_plan([1], [], []), 0.0)
