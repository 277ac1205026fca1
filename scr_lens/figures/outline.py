"""Outlines of patches on a map: sources in solid lines, the region of their neighbors in dashed ones."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke

from scr_lens.figures.style import INK
from scr_lens.grid import PatchGrid

Segment = tuple[tuple[float, float], tuple[float, float]]

SOURCE_COLOR = "#ff9500"
NEIGHBOR_COLOR = "#ffffff"
_DASHES = (0, (2.2, 1.8))


def cell_edges(cells: Iterable[int], grid: PatchGrid) -> list[Segment]:
    """The sides of patches, each side once.

    Args:
        cells: Patch numbers.
        grid: Patch grid.

    Returns:
        Segments ((x, y), (x, y)) in patch coordinates, sorted; 4 for a patch that touches no other.

    Raises:
        DataError: If a patch lies outside the grid.
    """
    sides: set[Segment] = set()
    for cell in cells:
        row, col = grid.row(int(cell)), grid.col(int(cell))
        top, left = row - 0.5, col - 0.5
        sides |= {((left, top + d), (left + 1, top + d)) for d in (0, 1)}
        sides |= {((left + d, top), (left + d, top + 1)) for d in (0, 1)}
    return sorted(sides)


def region_border(cells: Iterable[int], grid: PatchGrid) -> list[Segment]:
    """The border of a region of patches: sides that have a patch of the region on exactly one hand.

    Args:
        cells: Patch numbers.
        grid: Patch grid.

    Returns:
        Segments as of `cell_edges`, without those between two patches of the region.

    Raises:
        DataError: If a patch lies outside the grid.
    """
    numbers = np.array(sorted({int(cell) for cell in cells}), dtype=int)
    inside = np.zeros((grid.height + 2, grid.width + 2), dtype=bool)
    inside[grid.row(numbers) + 1, grid.col(numbers) + 1] = True
    return sorted(_borders(inside))


def outline_width(grid: PatchGrid) -> float:
    """Line width in points that suits the size of the cells: 1.1 up to 12 patches a side, thinner above."""
    return float(np.clip(13.0 / max(grid.height, grid.width), 0.6, 1.1))


def draw_sources(
    axes: Axes, sources: Iterable[int], grid: PatchGrid, width: float = 1.1, *, color: str = SOURCE_COLOR
) -> LineCollection:
    """Outline every source patch in solid lines.

    Args:
        axes: Axes of a map of the grid.
        sources: Patch numbers.
        grid: Patch grid.
        width: Width of the line in points.
        color: Color of the line, which has a dark seam on both sides.

    Returns:
        The lines.
    """
    effects = [Stroke(linewidth=1.9 * width, foreground=INK), Normal()]
    lines = LineCollection(
        cell_edges(sources, grid),
        colors=color,
        linewidths=width,
        path_effects=effects,
        capstyle="projecting",
        zorder=4,
    )
    axes.add_collection(lines, autolim=False)
    return lines


def draw_neighbors(
    axes: Axes, neighbors: Iterable[int], sources: Iterable[int], grid: PatchGrid, width: float = 0.8
) -> LineCollection:
    """Outline the region that sources and neighbors make up in dashed lines.

    Every patch inside the region that is not a source is a neighbor.

    Args:
        axes: Axes of a map of the grid.
        neighbors: Patch numbers of the neighbors.
        sources: Patch numbers of the sources.
        grid: Patch grid.
        width: Width of the line in points.

    Returns:
        The dashes; below them lies a thin dark line, so that they show on any color.
    """
    border = region_border([*neighbors, *sources], grid)
    under = LineCollection(border, colors=INK, linewidths=1.6 * width, zorder=2.5)
    dashes = LineCollection(border, colors=NEIGHBOR_COLOR, linewidths=width, linestyles=[_DASHES], zorder=3)
    for lines in (under, dashes):
        axes.add_collection(lines, autolim=False)
    return dashes


def legend_handles() -> list[Line2D]:
    """Samples of the two line styles for a legend."""
    effects = [Stroke(linewidth=2.1, foreground=INK), Normal()]
    return [
        Line2D([], [], color=SOURCE_COLOR, linewidth=1.1, path_effects=effects, label="source"),
        Line2D([], [], color=INK, linewidth=1.1, linestyle=_DASHES, label="neighbors (region)"),
    ]


def _borders(inside: Bool[np.ndarray, "row col"]) -> Iterable[Segment]:
    """Sides between a cell of the padded mask and the next one that differ."""
    for row, col in np.argwhere(inside[:-1] != inside[1:]):
        yield (col - 1.5, row - 0.5), (col - 0.5, row - 0.5)
    for row, col in np.argwhere(inside[:, :-1] != inside[:, 1:]):
        yield (col - 0.5, row - 1.5), (col - 0.5, row - 0.5)
