"""Patch maps on axes: one cell per patch, over the image or alone.

Coordinates are patches: the cell of row r and column c spans r - 0.5 .. r + 0.5 and c - 0.5 .. c + 0.5, so
that outlines, maps and the image fall on each other for every grid and every image.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Num
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colorbar import Colorbar
from matplotlib.figure import FigureBase
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from PIL import Image

from scr_lens.figures.color_scale import ColorScale
from scr_lens.figures.style import MUTED, SMALL_SIZE
from scr_lens.grid import PatchGrid

LARGEST_SIDE = 1024
"""Images are shrunk to this many pixels before they are put into a figure."""


def draw_image(axes: Axes, image: Image.Image, grid: PatchGrid) -> AxesImage:
    """Draw the image in patch coordinates, in its own proportions.

    Args:
        axes: Where to draw; ticks and frame are removed.
        image: The picture that the grid divides, of any mode and aspect ratio.
        grid: Its patch grid, square or not.

    Returns:
        The drawn image.
    """
    picture = image.convert("RGB")
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    drawn = axes.imshow(
        np.asarray(picture), extent=_extent(grid), aspect=_aspect(image, grid), interpolation="auto"
    )
    _clear(axes)
    return drawn


def draw_map(
    axes: Axes,
    values: Num[np.ndarray, "patch"],
    grid: PatchGrid,
    scale: ColorScale,
    *,
    masked: Bool[np.ndarray, "patch"] | None = None,
    image: Image.Image | None = None,
    opacity: float = 0.65,
) -> AxesImage:
    """Draw one value per patch.

    Args:
        axes: Where to draw; ticks and frame are removed.
        values: One value per patch in raster order.
        grid: Patch grid, square or not.
        scale: Colors, chosen by the caller over everything that is compared; never over this map alone.
        masked: Patches without a meaning; they are hatched, like NaN and infinite values.
        image: The picture that the grid divides, to lay the map over.
        opacity: Opacity of the map over an image, in (0, 1].

    Returns:
        The drawn map, whose array is `values` on the grid with hatched cells masked.

    Raises:
        LayoutError: If values or mask do not fit the grid.
    """
    cells = np.ma.masked_invalid(grid.as_map(np.asarray(values, dtype=np.float64)))
    if masked is not None:
        cells = np.ma.masked_where(grid.as_map(np.asarray(masked, dtype=bool)), cells)
    if image is not None:
        draw_image(axes, image, grid)
    drawn = axes.imshow(
        cells,
        cmap=scale.colormap,
        norm=scale.normalize(),
        interpolation="nearest",
        extent=_extent(grid),
        aspect="equal" if image is None else _aspect(image, grid),
        alpha=1.0 if image is None else opacity,
    )
    _hatch(axes, np.argwhere(np.ma.getmaskarray(cells)))
    _clear(axes)
    return drawn


def add_colorbar(
    figure: FigureBase, drawn: ScalarMappable, axes: Axes | Iterable[Axes], scale: ColorScale
) -> Colorbar:
    """Add the color bar of a scale to the right of the axes that share it, with its unit.

    Args:
        figure: Figure of the axes.
        drawn: A map drawn with the scale.
        axes: The axes that share the bar; it takes its room from them.
        scale: The scale.

    Returns:
        The color bar.
    """
    owners = axes if isinstance(axes, Axes) else list(axes)
    bar = figure.colorbar(
        drawn, ax=owners, location="right", shrink=0.92, aspect=_slender(owners), pad=0.03, panchor=False
    )
    return _labeled(bar, scale)


def add_inset_colorbar(figure: FigureBase, drawn: AxesImage, axes: Axes, scale: ColorScale) -> Colorbar:
    """Add a color bar that is exactly as high as the map, whatever its proportions.

    Args:
        figure: Figure of the axes.
        drawn: A map drawn with the scale.
        axes: Its axes.
        scale: The scale.

    Returns:
        The color bar.
    """
    left, right, bottom, top = drawn.get_extent()
    thickness = 0.045 * max(1.0, abs(bottom - top) / (right - left))
    return _labeled(figure.colorbar(drawn, cax=axes.inset_axes((1.03, 0.0, thickness, 1.0))), scale)


def _slender(owners: Axes | list[Axes]) -> int:
    return 30 if isinstance(owners, list) and len(owners) > 1 else 15


def _labeled(bar: Colorbar, scale: ColorScale) -> Colorbar:
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(nbins=5)
    bar.update_ticks()
    bar.set_label(scale.label, size=SMALL_SIZE)
    return bar


def _extent(grid: PatchGrid) -> tuple[float, float, float, float]:
    return (-0.5, grid.width - 0.5, grid.height - 0.5, -0.5)


def _aspect(image: Image.Image, grid: PatchGrid) -> float:
    """Height of a cell over its width, as seen in the image."""
    return (image.height / grid.height) / (image.width / grid.width)


def _hatch(axes: Axes, cells: Sequence[Sequence[int]] | np.ndarray) -> None:
    if len(cells) == 0:
        return
    squares = [Rectangle((col - 0.5, row - 0.5), 1, 1) for row, col in cells]
    axes.add_collection(
        PatchCollection(squares, facecolor="white", edgecolor=MUTED, linewidth=0, hatch="//////"),
        autolim=False,
    )


def _clear(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
