"""Clustered means and ratios with their p-values: the building block of every causal test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Num

from scr_lens.analysis.bootstrap import cluster_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.permutation import sign_flip_test


@dataclass(frozen=True)
class Mean:
    """A mean or ratio of sums.

    Attributes:
        interval: Estimate with image-clustered 95% interval.
        p_value: Two-sided p-value that the numerator is symmetric around 0 over images (sign flips).
        n_questions: Rows behind it.
    """

    interval: Interval
    p_value: float
    n_questions: int

    def to_row(self) -> dict[str, object]:
        """The columns of a long table."""
        ends = {
            "estimate": self.interval.estimate,
            "ci_low": self.interval.low,
            "ci_high": self.interval.high,
        }
        size = {"n_images": self.interval.n_images, "n_questions": self.n_questions}
        return {**ends, "p_value": self.p_value, **size}


def clustered_mean(values: Num[np.ndarray, "question"], image_ids: Sequence[object]) -> Mean:
    """Mean over questions, clustered by image.

    Args:
        values: One value per question.
        image_ids: Image of each question.

    Returns:
        The mean with interval and p-value of a zero mean.

    Raises:
        DataError: If there are fewer than 2 images or a value is not finite.
    """
    return clustered_ratio(values, np.ones(len(values)), image_ids)


def clustered_ratio(
    numerator: Num[np.ndarray, "question"],
    denominator: Num[np.ndarray, "question"],
    image_ids: Sequence[object],
) -> Mean:
    """Ratio of two sums over questions, clustered by image.

    sum(a) / sum(b): with a = x y and b = x^2 the slope of a line through the origin, with a = x y and b = x z
    the effect of z on y with x as the instrument.

    Args:
        numerator: a per question.
        denominator: b per question.
        image_ids: Image of each question.

    Returns:
        The ratio with interval; the p-value is that of sum(a) = 0.

    Raises:
        DataError: If there are fewer than 2 images, a value is not finite, or sum(b) is 0.
    """
    terms = np.stack([np.asarray(numerator, float), np.asarray(denominator, float)], axis=-1)
    totals = image_totals(terms, image_ids)
    return Mean(cluster_interval(totals), sign_flip_test(totals[:, 0]), len(terms))
