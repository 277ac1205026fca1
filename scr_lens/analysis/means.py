"""Means and ratios of rows with image-clustered intervals."""

from collections.abc import Sequence

import numpy as np

from scr_lens.analysis.bootstrap import cluster_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.interval import Interval


def ratio_interval(
    numerator: Sequence[float] | np.ndarray,
    denominator: Sequence[float] | np.ndarray,
    image_ids: Sequence[object],
) -> Interval:
    """Ratio of two sums with an image-clustered interval.

    Args:
        numerator: One number per row.
        denominator: One number per row.
        image_ids: Image of each row.

    Returns:
        The interval.
    """
    terms = np.stack([np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)], -1)
    return cluster_interval(image_totals(terms, image_ids))


def mean_interval(values: Sequence[float] | np.ndarray, image_ids: Sequence[object]) -> Interval:
    """Mean with an image-clustered interval.

    Args:
        values: One number per row.
        image_ids: Image of each row.

    Returns:
        The interval.
    """
    return ratio_interval(values, np.ones(len(values)), image_ids)
