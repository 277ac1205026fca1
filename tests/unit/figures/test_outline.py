import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

from scr_lens.errors import DataError
from scr_lens.figures.outline import (
    cell_edges,
    draw_neighbors,
    draw_sources,
    outline_width,
    region_border,
)
from scr_lens.grid import PatchGrid

GRID = PatchGrid(4, 6)


def brute_force_border(cells):
    """Sides that belong to exactly one cell of the region, by counting the sides of every cell."""
    sides = [side for cell in set(cells) for side in cell_edges([cell], GRID)]
    return sorted(side for side in set(sides) if sides.count(side) == 1)


def test_edges_of_one_cell_surround_it():
    segments = np.array(cell_edges([GRID.index(1, 4)], GRID))
    assert segments.shape == (4, 2, 2)
    assert segments[..., 0].min() == 3.5
    assert segments[..., 0].max() == 4.5
    assert segments[..., 1].min() == 0.5
    assert segments[..., 1].max() == 1.5


def test_shared_sides_are_drawn_once():
    assert len(cell_edges([0, 1], GRID)) == 7


@pytest.mark.parametrize("seed", range(5))
def test_border_equals_brute_force(seed):
    cells = np.random.default_rng(seed).choice(GRID.size, size=9, replace=False)
    assert np.allclose(region_border(cells, GRID), brute_force_border(cells.tolist()))


def test_border_of_everything_is_the_frame():
    assert len(region_border(range(GRID.size), GRID)) == 2 * (GRID.height + GRID.width)
    assert region_border([], GRID) == []


def test_outside_patch_is_refused():
    with pytest.raises(DataError, match="outside the 4x6 grid"):
        region_border([24], GRID)


def test_sources_are_solid_and_neighbors_dashed_around_the_region():
    axes = Figure().subplots()
    sources, neighbors = [GRID.index(1, 1)], [GRID.index(1, 2), GRID.index(0, 1)]
    solid = draw_sources(axes, sources, GRID)
    dashed = draw_neighbors(axes, neighbors, sources, GRID)
    assert np.allclose(solid.get_segments(), cell_edges(sources, GRID))
    assert np.allclose(dashed.get_segments(), brute_force_border(sources + neighbors))
    (_, solid_pattern), (_, dashed_pattern) = solid.get_linestyle()[0], dashed.get_linestyle()[0]
    assert solid_pattern is None
    assert len(dashed_pattern) == 2


def test_lines_are_thinner_on_finer_grids():
    widths = [outline_width(PatchGrid(side, side)) for side in (8, 12, 24, 32)]
    assert all(a >= b for a, b in itertools.pairwise(widths))
    assert widths[0] > widths[-1] > 0
