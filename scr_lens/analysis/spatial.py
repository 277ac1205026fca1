"""Spatial autocorrelation: how alike patches are at a given distance on the grid."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Num

from scr_lens.errors import DataError
from scr_lens.grid import OFFSETS, PatchGrid

Center = Literal["image", "patch"]
DISTANCES: tuple[float, ...] = (1.0, 2**0.5, 2.0, 5**0.5, 8**0.5, 3.0)


def offsets_at(distance: float, grid: PatchGrid) -> list[tuple[int, int]]:
    """Steps (rows, columns) of a Euclidean length that fit into a grid, one of each opposite pair.

    Args:
        distance: Length in patches; compared by its square, so 1.41421356 means sqrt(2).
        grid: The grid.

    Returns:
        Steps; empty when no two cells have this distance.
    """
    rows, cols = np.mgrid[0 : grid.height, -grid.width + 1 : grid.width]
    is_forward = (rows > 0) | (cols > 0)
    fits = np.isclose(rows**2 + cols**2, distance**2, rtol=0, atol=1e-6) & is_forward
    return [(int(row), int(col)) for row, col in zip(rows[fits], cols[fits], strict=True)]


def _pair_sum(maps: np.ndarray, step: tuple[int, int]) -> tuple[np.ndarray, int]:
    rows, cols = step
    height, width = maps.shape[-3:-1]
    first = maps[..., : height - rows, max(0, -cols) : width - max(0, cols), :]
    second = maps[..., rows:, max(0, cols) : width + min(0, cols), :]
    return np.sum(first * second, axis=(-3, -2, -1)), (height - rows) * (width - abs(cols))


def _as_maps(vectors: np.ndarray, grid: PatchGrid, center: Center) -> np.ndarray:
    values = np.asarray(vectors, dtype=np.float64)
    if values.ndim < 2 or values.shape[-2] != grid.size:
        raise DataError(
            f"vectors has shape {values.shape} for a grid of {grid}: expected [..., {grid.size}, features]"
        )
    if not np.isfinite(values).all():
        raise DataError(
            "vectors contains NaN or infinity: expected finite patch vectors; check the captured tensors"
        )
    noise = 1e-12 * np.abs(values).max(initial=0.0)
    values = values - values.mean(axis=-2 if center == "image" else -1, keepdims=True)
    values = np.where(np.abs(values) <= noise, 0.0, values)
    if center == "patch":
        length = np.linalg.norm(values, axis=-1, keepdims=True)
        values = values / np.where(length > 0, length, 1.0)
    maps: np.ndarray = values.reshape(*values.shape[:-2], grid.height, grid.width, values.shape[-1])
    return maps


def _mean_product(maps: np.ndarray, steps: Sequence[tuple[int, int]]) -> np.ndarray:
    sums, counts = zip(*[_pair_sum(maps, step) for step in steps], strict=True)
    mean: np.ndarray = np.sum(sums, axis=0) / sum(counts)
    return mean


def _normalized(maps: np.ndarray, steps: Sequence[tuple[int, int]]) -> np.ndarray:
    power = np.mean(np.sum(maps**2, axis=-1), axis=(-2, -1))
    rho: np.ndarray = _mean_product(maps, steps) / np.where(power > 0, power, np.nan)
    return rho


def autocorrelation(
    vectors: Num[np.ndarray, "*batch patch feature"],
    grid: PatchGrid,
    distance: float,
    *,
    center: Center = "image",
) -> Float[np.ndarray, "*batch"]:
    """Correlation of patch vectors that lie a given distance apart.

    rho(d) = mean over pairs at distance d of <z_i, z_j>, divided by the mean of |z_i|^2.

    Args:
        vectors: One vector per patch (pixels, features or residuals); a scalar map has one feature.
        grid: The grid of the patches.
        distance: Distance in patches (1, sqrt 2, 2, ...).
        center: "image": z is the vector minus the image's mean vector (multivariate Moran's I at one
            distance). "patch": z is the vector minus its own mean over features, scaled to length 1, so that
            the mean product is the mean Pearson correlation of two patch vectors.

    Returns:
        1 for identical patches, about -1/(N-1) ("image") or 0 ("patch") without spatial structure, negative
        for a checkerboard; NaN for a constant image.

    Raises:
        DataError: If the shapes do not fit, a value is not finite, or no two cells have this distance.

    Source: SCR paper, Sec. 3.3 (rho(sqrt 2) about 0.62 on POPE images); Moran (1950), Biometrika 37.
    """
    steps = offsets_at(distance, grid)
    if not steps:
        raise DataError(
            f"distance {distance:g}: no two cells of a {grid} grid lie that far apart; use 1, sqrt(2), 2"
        )
    return _normalized(_as_maps(vectors, grid, center), steps)


def autocorrelation_profile(
    vectors: Num[np.ndarray, "*batch patch feature"],
    grid: PatchGrid,
    *,
    distances: Sequence[float] = DISTANCES,
    center: Center = "image",
) -> Float[np.ndarray, "*batch distance"]:
    """Autocorrelation at several distances.

    Args:
        vectors: One vector per patch.
        grid: The grid of the patches.
        distances: Distances in patches.
        center: As `autocorrelation`.

    Returns:
        One rho per distance on the last axis.

    Raises:
        DataError: As `autocorrelation`.
    """
    return np.stack([autocorrelation(vectors, grid, d, center=center) for d in distances], axis=-1)


def morans_i(
    vectors: Num[np.ndarray, "*batch patch feature"], grid: PatchGrid, topology: str = "8"
) -> Float[np.ndarray, "*batch"]:
    """Moran's I with one weight per pair of neighbors.

    I = N / W * sum_ij w_ij <z_i, z_j> / sum_i |z_i|^2 with z centered over the image and w_ij = 1 for
    neighbors.

    Args:
        vectors: One vector per patch; a scalar map has one feature.
        grid: The grid of the patches.
        topology: "8", "4" or "radius-2".

    Returns:
        Near 1 for smooth maps, -1/(N-1) on average without spatial structure; NaN for a constant map.

    Raises:
        DataError: If the topology has no fixed offsets, or as `autocorrelation`.

    Source: Moran (1950), "Notes on continuous stochastic phenomena", Biometrika 37.
    """
    if topology not in OFFSETS:
        raise DataError(f"topology {topology!r}: expected one of {sorted(OFFSETS)}")
    forward = [step for step in OFFSETS[topology] if step[0] > 0 or (step[0] == 0 and step[1] > 0)]
    steps = [step for step in forward if step[0] < grid.height and abs(step[1]) < grid.width]
    if not steps:
        raise DataError(f"a {grid} grid has no neighbors: expected at least 2 cells")
    return _normalized(_as_maps(vectors, grid, "image"), steps)


def pixel_vectors(
    pixels: Num[np.ndarray, "height width channel"], grid: PatchGrid
) -> Float[np.ndarray, "patch feature"]:
    """Cut an image into patches and flatten each.

    Args:
        pixels: Image array; rows and columns beyond a multiple of the grid are cut off at the bottom and
            right.
        grid: Number of patches per side.

    Returns:
        One vector of pixel values per patch, raster order.

    Raises:
        DataError: If the image is smaller than the grid.
    """
    side_h, side_w = pixels.shape[0] // grid.height, pixels.shape[1] // grid.width
    if min(side_h, side_w) == 0:
        raise DataError(
            f"image of {pixels.shape[0]}x{pixels.shape[1]} pixels: expected at least one per cell of {grid}"
        )
    cut = pixels[: side_h * grid.height, : side_w * grid.width].astype(np.float64)
    blocks = cut.reshape(grid.height, side_h, grid.width, side_w, -1).transpose(0, 2, 1, 3, 4)
    return blocks.reshape(grid.size, -1)
