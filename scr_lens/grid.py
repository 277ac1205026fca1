"""The grid of image patches: indices in raster order, neighborhoods, borders and distances."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from scr_lens.config import Topology
from scr_lens.errors import ConfigError, DataError, LayoutError

Index = TypeVar("Index", int, Int[np.ndarray, "..."])

OFFSETS: dict[str, tuple[tuple[int, int], ...]] = {
    "8": tuple((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)),
    "4": ((-1, 0), (0, -1), (0, 1), (1, 0)),
    "radius-2": tuple((r, c) for r in range(-2, 3) for c in range(-2, 3) if (r, c) != (0, 0)),
}
"""Row and column steps from a cell to its neighbors, in raster order, by topology."""


@dataclass(frozen=True)
class PatchGrid:
    """A grid of image patches, numbered row by row from the top left corner.

    Args:
        height: Number of rows.
        width: Number of columns.

    Raises:
        ConfigError: If a side is not a positive integer.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        for name, side in (("height", self.height), ("width", self.width)):
            if not isinstance(side, int) or isinstance(side, bool) or side < 1:
                raise ConfigError(f"grid {name} is {side!r}; give a number of patches, an integer above 0")

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"

    @property
    def size(self) -> int:
        """The number N of patches."""
        return self.height * self.width

    def covers(self, image_width: int, image_height: int) -> bool:
        """Whether the grid can lie over a whole picture.

        A processor that cuts a picture to a square leaves a grid that covers only its middle; then a map must
        not be laid over all of it.

        Args:
            image_width: Width of the picture as given, in any unit.
            image_height: Its height in the same unit.

        Returns:
            True if the proportions agree to within one patch along the longer side.
        """
        ratio = (image_width / image_height) * (self.height / self.width)
        return abs(math.log(ratio)) <= 1 / max(self.height, self.width)

    def row(self, index: Index) -> Index:
        """Row of a patch.

        Args:
            index: Patch number or array of them, in [0, N).

        Returns:
            Row from 0 (top) to height - 1, same shape as `index`.

        Raises:
            DataError: If a number is outside the grid.
        """
        return self._checked(index) // self.width

    def col(self, index: Index) -> Index:
        """Column of a patch.

        Args:
            index: Patch number or array of them, in [0, N).

        Returns:
            Column from 0 (left) to width - 1, same shape as `index`.

        Raises:
            DataError: If a number is outside the grid.
        """
        return self._checked(index) % self.width

    def index(self, row: Index, col: Index) -> Index:
        """Number of the patch at a row and column.

        Args:
            row: Row or array of rows, in [0, height).
            col: Column or array of columns, in [0, width).

        Returns:
            Patch number in [0, N), so that `index(row(i), col(i)) == i`.

        Raises:
            DataError: If a row or column is outside the grid.
        """
        rows, cols = np.asarray(row), np.asarray(col)
        inside = (rows >= 0) & (rows < self.height) & (cols >= 0) & (cols < self.width)
        if not inside.all():
            raise DataError(f"row {row}, column {col} lies outside the {self} grid; both count from 0")
        number: Index = row * self.width + col
        return number

    def neighbors(self, index: int, topology: Topology = "8") -> tuple[int, ...]:
        """Patches around a patch, cut off at the border of the grid.

        Args:
            index: Patch number in [0, N).
            topology: "8" and "4" are the connected cells; "radius-2" all cells at Chebyshev distance 1 or 2.

        Returns:
            Patch numbers in ascending order; for "8" these are 8, 5 or 3 (inside, edge, corner).

        Raises:
            DataError: If the number is outside the grid.
            ConfigError: If the topology has no fixed neighborhood.

        Examples:
            >>> grid = PatchGrid(height=3, width=4)
            >>> grid.neighbors(0), grid.neighbors(5, topology="4")
            ((1, 4, 5), (1, 4, 6, 9))

        Source: SCR paper, Sec. 3.1 and 6.1b.
        """
        if topology not in OFFSETS:
            raise ConfigError(
                f"topology {topology!r} has no fixed neighborhood; use one of: {', '.join(OFFSETS)}"
            )
        return _around(self, index, topology)

    def interior_mask(self) -> Bool[np.ndarray, "patch"]:
        """Mark the patches that are not in a border row or column.

        Returns:
            One flag per patch; all False when a side is below 3.
        """
        mask = np.zeros((self.height, self.width), dtype=bool)
        mask[1:-1, 1:-1] = True
        return mask.reshape(-1)

    def interior(self) -> Int[np.ndarray, "interior"]:
        """List the patches that are not in a border row or column.

        Returns:
            Patch numbers in ascending order; empty when a side is below 3.
        """
        return np.flatnonzero(self.interior_mask())

    def distance(self, a: Index, b: Index) -> Float[np.ndarray, "..."]:
        """Euclidean distance between the centers of two patches, in patch widths.

        d = sqrt((row_a - row_b)^2 + (col_a - col_b)^2)

        Args:
            a: Patch number or array of them.
            b: Patch number or array of them; broadcasts against `a`.

        Returns:
            Distances; 0 for the same patch, 1 for 4-connected and sqrt 2 for diagonal patches.

        Raises:
            DataError: If a number is outside the grid.
        """
        return np.asarray(np.hypot(self.row(a) - self.row(b), self.col(a) - self.col(b)))

    def as_map(self, values: Shaped[np.ndarray, "*batch patch"]) -> Shaped[np.ndarray, "*batch height width"]:
        """Fold values per patch into the shape of the image.

        Args:
            values: One value per patch on the last axis, in raster order.

        Returns:
            The same values, `[..., height, width]`.

        Raises:
            LayoutError: If the last axis does not hold one value per patch.
        """
        flat = np.asarray(values)
        if flat.ndim == 0 or flat.shape[-1] != self.size:
            raise LayoutError(
                f"values of shape {flat.shape} do not fit the {self} grid; give {self.size} on the last axis"
            )
        return flat.reshape(*flat.shape[:-1], self.height, self.width)

    def _checked(self, index: Index) -> Index:
        numbers = np.asarray(index)
        if ((numbers < 0) | (numbers >= self.size)).any():
            raise DataError(f"patch {index} lies outside the {self} grid; give 0 to {self.size - 1}")
        return index


@lru_cache(maxsize=2**16, typed=True)
def _around(grid: PatchGrid, index: int, topology: Topology) -> tuple[int, ...]:
    """Every plan asks for the same few thousand neighborhoods; this was 40% of making one."""
    row, col = grid.row(index), grid.col(index)
    cells = ((row + dr, col + dc) for dr, dc in OFFSETS[topology])
    return tuple(r * grid.width + c for r, c in cells if 0 <= r < grid.height and 0 <= c < grid.width)
