import numpy as np
import pytest
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from PIL import Image

from scr_lens.errors import LayoutError
from scr_lens.figures.color_scale import ColorScale
from scr_lens.figures.heatmap import add_colorbar, add_inset_colorbar, draw_image, draw_map
from scr_lens.grid import PatchGrid

GRID = PatchGrid(3, 5)
VALUES = np.arange(15.0)
SCALE = ColorScale(low=-1.0, high=20.0, label="norm")


@pytest.fixture
def axes():
    return Figure().subplots()


def hatched(axes):
    found = [c for c in axes.collections if isinstance(c, PatchCollection)]
    return {tuple(path.vertices[0] + 0.5) for c in found for path in c.get_paths()}


def test_array_and_limits_are_the_given_ones(axes):
    drawn = draw_map(axes, VALUES, GRID, SCALE)
    np.testing.assert_array_equal(drawn.get_array(), VALUES.reshape(3, 5))
    assert drawn.get_clim() == (-1.0, 20.0)
    assert list(drawn.get_extent()) == [-0.5, 4.5, 2.5, -0.5]
    assert drawn.get_interpolation() == "nearest"
    assert axes.get_aspect() == 1.0


def test_undefined_and_masked_cells_are_hatched_at_their_place(axes):
    values = VALUES.copy()
    values[[0, 8]] = np.nan, np.inf
    drawn = draw_map(axes, values, GRID, SCALE, masked=np.arange(15) == 14)
    assert hatched(axes) == {(0, 0), (3, 1), (4, 2)}  # (column, row)
    assert np.ma.getmaskarray(drawn.get_array()).sum() == 3


def test_nothing_is_hatched_without_need(axes):
    draw_map(axes, VALUES, GRID, SCALE)
    assert hatched(axes) == set()


def test_map_lies_on_the_image_in_the_proportions_of_the_image(axes):
    image = Image.new("L", (500, 100))
    drawn = draw_map(axes, VALUES, GRID, SCALE, image=image, opacity=0.4)
    picture, on_top = axes.images
    assert picture.get_extent() == on_top.get_extent() == drawn.get_extent()
    assert on_top.get_alpha() == 0.4
    assert axes.get_aspect() * GRID.height / GRID.width == pytest.approx(100 / 500)


def test_large_images_are_shrunk_and_the_given_one_is_not_touched(axes):
    image = Image.new("RGBA", (4000, 1000))
    drawn = draw_image(axes, image, GRID)
    assert drawn.get_array().shape == (256, 1024, 3)
    assert image.size == (4000, 1000)


def test_wrong_number_of_values_is_refused(axes):
    with pytest.raises(LayoutError, match="do not fit the 3x5 grid"):
        draw_map(axes, np.zeros(9), GRID, SCALE)


@pytest.mark.parametrize("add", [add_colorbar, add_inset_colorbar])
def test_color_bar_has_range_and_unit(axes, add):
    bar = add(axes.figure, draw_map(axes, VALUES, GRID, SCALE), axes, SCALE)
    assert (bar.vmin, bar.vmax) == (-1.0, 20.0)
    assert bar.ax.get_ylabel() == "norm"
