"""The paired difference of two ratios of sums, with an image-clustered interval."""

from collections.abc import Sequence
from typing import Unpack

import numpy as np
from jaxtyping import Float

from scr_lens.analysis.bootstrap import IntervalOptions, cluster_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.statistic import RATIO, RATIO_DIFFERENCE


def terms_difference(
    after: Float[np.ndarray, "row 2"],
    before: Float[np.ndarray, "row 2"],
    image_ids: Sequence[object],
    *,
    level: float = 0.95,
    **options: Unpack[IntervalOptions],
) -> Interval | None:
    """Ratio after minus ratio before, both over the same rows.

    sum(a) / sum(b) - sum(c) / sum(d), with (a, b) the terms after and (c, d) those before

    Args:
        after: Numerator and denominator of each row.
        before: The same before.
        image_ids: Image of each row.
        level: Confidence level.
        **options: Interval method, resamples and seed (see `bootstrap.IntervalOptions`).

    Returns:
        The difference with an image-clustered interval; None when a denominator is empty.

    Raises:
        DataError: If there are fewer than 2 images.
    """
    if after[:, 1].sum() == 0 or before[:, 1].sum() == 0:
        return None
    if np.array_equal(after[:, 1], before[:, 1]):
        terms, statistic = np.stack([after[:, 0] - before[:, 0], before[:, 1]], axis=-1), RATIO
    else:
        terms, statistic = np.concatenate([after, before], axis=-1), RATIO_DIFFERENCE
    return cluster_interval(image_totals(terms, image_ids), statistic, level=level, **options)
