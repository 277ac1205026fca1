"""Image-clustered bootstrap of any function of the rows: the slow general path."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int

from scr_lens.analysis.bootstrap import LARGEST_LOSS, N_RESAMPLES, bca_levels, resample_weights
from scr_lens.analysis.clusters import image_codes
from scr_lens.analysis.interval import Interval
from scr_lens.errors import DataError


def resample_rows(
    image_ids: Sequence[object], n_resamples: int = N_RESAMPLES, seed: int = 0
) -> list[Int[np.ndarray, "row"]]:
    """Row numbers of every resample, all questions of a drawn image together.

    Args:
        image_ids: Image of each row.
        n_resamples: Number of resamples.
        seed: Seed of the generator.

    Returns:
        One array of row numbers per resample (an image drawn twice appears twice).

    Raises:
        DataError: If there are fewer than 2 images.
    """
    codes, n_images = image_codes(image_ids)
    counts = resample_weights(n_images, n_resamples, seed).astype(np.int64)
    order = np.argsort(codes, kind="stable")
    return [np.repeat(order, row[codes[order]]) for row in counts]


def function_interval(
    function: Callable[[Int[np.ndarray, "row"]], float],
    image_ids: Sequence[object],
    *,
    level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """BCa interval of any statistic of the rows.

    Args:
        function: Maps row numbers to the statistic.
        image_ids: Image of each row.
        level: Confidence level in (0, 1).
        n_resamples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        The BCa interval; its `se` is the standard deviation of the replicates.

    Raises:
        DataError: If there are fewer than 2 images, or under 95% of the replicates are finite.
    """
    codes, n_images = image_codes(image_ids)
    rows = np.arange(len(codes))
    value = float(function(rows))
    drawn = np.array([function(chosen) for chosen in resample_rows(image_ids, n_resamples, seed)])
    replicates = drawn[np.isfinite(drawn)]
    if len(replicates) < (1 - LARGEST_LOSS) * n_resamples or not np.isfinite(value):
        raise DataError(
            f"{n_resamples - len(replicates)} of {n_resamples} resamples are undefined: pool more images"
        )
    left_out = np.array([function(rows[codes != image]) for image in range(n_images)])
    low, high = np.quantile(replicates, bca_levels(value, replicates, left_out, level))
    return Interval(value, float(low), float(high), float(replicates.std(ddof=1)), n_images, "bca")
