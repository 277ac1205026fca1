import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scr_lens.errors import ConfigError, DataError, LayoutError
from scr_lens.grid import PatchGrid

grids = st.builds(PatchGrid, st.integers(1, 7), st.integers(1, 7))


@given(grids)
@settings(max_examples=30, deadline=None)
def test_index_is_the_inverse_of_row_and_col(grid: PatchGrid) -> None:
    cells = np.arange(grid.size)
    np.testing.assert_array_equal(grid.index(grid.row(cells), grid.col(cells)), cells)
    assert [grid.index(grid.row(i), grid.col(i)) for i in range(grid.size)] == list(range(grid.size))


def test_numbers_run_along_the_rows() -> None:
    grid = PatchGrid(2, 3)
    assert [(grid.row(i), grid.col(i)) for i in range(6)] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert grid.size == 6
    assert str(grid) == "2x3"


def brute_neighbors(grid: PatchGrid, index: int, topology: str) -> tuple[int, ...]:
    found = []
    for other in range(grid.size):
        dr = abs(other // grid.width - index // grid.width)
        dc = abs(other % grid.width - index % grid.width)
        near = {"8": max(dr, dc) <= 1, "4": dr + dc <= 1, "radius-2": max(dr, dc) <= 2}[topology]
        if near and other != index:
            found.append(other)
    return tuple(found)


@pytest.mark.parametrize("topology", ["8", "4", "radius-2"])
@given(grid=grids)
@settings(max_examples=30, deadline=None)
def test_neighbors_equal_a_search_over_all_cells(topology: Any, grid: PatchGrid) -> None:
    for index in range(grid.size):
        assert grid.neighbors(index, topology) == brute_neighbors(grid, index, topology)


@given(grids)
@settings(max_examples=30, deadline=None)
def test_neighborhoods_are_symmetric_and_nested(grid: PatchGrid) -> None:
    for index in range(grid.size):
        four, eight = set(grid.neighbors(index, "4")), set(grid.neighbors(index, "8"))
        assert four <= eight <= set(grid.neighbors(index, "radius-2"))
        assert all(index in grid.neighbors(other, "8") for other in eight)


def test_neighbor_counts_inside_at_the_edge_and_in_the_corner() -> None:
    grid = PatchGrid(4, 5)
    assert [len(grid.neighbors(i, "8")) for i in (6, 1, 0)] == [8, 5, 3]
    assert [len(grid.neighbors(i, "4")) for i in (6, 1, 0)] == [4, 3, 2]


def test_scrambled_has_no_fixed_neighborhood() -> None:
    with pytest.raises(ConfigError, match="topology 'scrambled' has no fixed neighborhood; use one of: 8, 4"):
        PatchGrid(3, 3).neighbors(4, "scrambled")


@given(grids)
@settings(max_examples=30, deadline=None)
def test_interior_leaves_out_the_border(grid: PatchGrid) -> None:
    inside = [r * grid.width + c for r in range(1, grid.height - 1) for c in range(1, grid.width - 1)]
    assert grid.interior().tolist() == inside
    assert np.flatnonzero(grid.interior_mask()).tolist() == inside
    assert grid.interior_mask().shape == (grid.size,)


def test_distance_is_euclidean_and_broadcasts() -> None:
    grid = PatchGrid(3, 4)
    assert grid.distance(0, 5) == pytest.approx(math.sqrt(2))
    assert grid.distance(3, 8) == pytest.approx(math.sqrt(13))
    np.testing.assert_array_equal(grid.distance(np.array([0, 1, 4]), np.array([0])), [0, 1, 1])


def test_as_map_folds_the_last_axis_in_raster_order() -> None:
    values = np.arange(12).reshape(2, 6)
    folded = PatchGrid(2, 3).as_map(values)
    assert folded.shape == (2, 2, 3)
    assert folded[1].tolist() == [[6, 7, 8], [9, 10, 11]]


@pytest.mark.parametrize("shape", [(5,), (6, 2), ()])
def test_as_map_refuses_other_lengths(shape: tuple[int, ...]) -> None:
    with pytest.raises(LayoutError, match=r"do not fit the 2x3 grid; give 6 on the last axis"):
        PatchGrid(2, 3).as_map(np.zeros(shape))


@pytest.mark.parametrize("index", [-1, 6])
def test_a_patch_outside_the_grid_is_refused(index: int) -> None:
    grid = PatchGrid(2, 3)
    with pytest.raises(DataError, match=f"patch {index} lies outside the 2x3 grid; give 0 to 5"):
        grid.row(index)
    with pytest.raises(DataError, match="lies outside"):
        grid.col(np.array([0, index]))
    with pytest.raises(DataError, match="lies outside"):
        grid.neighbors(index)


@pytest.mark.parametrize(("row", "col"), [(2, 0), (0, 3), (-1, 0)])
def test_a_row_or_column_outside_the_grid_is_refused(row: int, col: int) -> None:
    with pytest.raises(DataError, match=f"row {row}, column {col} lies outside the 2x3 grid"):
        PatchGrid(2, 3).index(row, col)


@pytest.mark.parametrize("side", [0, -1, 2.0, True])
def test_a_bad_side_is_refused(side: Any) -> None:
    with pytest.raises(ConfigError, match=f"grid width is {side!r}"):
        PatchGrid(2, side)


@pytest.mark.parametrize(
    ("width", "height", "grid", "expected"),
    [
        (96, 96, (12, 12), True),
        (640, 480, (24, 24), False),
        (640, 360, (9, 16), True),
        (90, 60, (6, 6), False),
        (90, 60, (4, 6), True),
        (62, 60, (24, 24), True),
    ],
)
def test_a_grid_covers_a_picture_of_its_proportions(
    width: int, height: int, grid: tuple[int, int], expected: bool
) -> None:
    assert PatchGrid(*grid).covers(width, height) is expected
