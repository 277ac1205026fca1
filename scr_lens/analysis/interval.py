"""Interval estimates that treat the image, not the question, as the sampling unit."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from scr_lens.analysis.statistic import RATIO, Statistic, Totals, Values
from scr_lens.errors import DataError

ImageTotals = Float[np.ndarray, "*batch image total"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        estimate: Point estimate on the natural scale.
        low: Lower end.
        high: Upper end.
        se: Image-clustered standard error on the natural scale.
        n_images: Number of images (clusters) behind it.
        method: How the interval was made ("linearized", "studentized", "percentile", "bca", "wilson",
            or "degenerate" when no image varies).
    """

    estimate: float
    low: float
    high: float
    se: float
    n_images: int
    method: str

    def contains(self, value: float) -> bool:
        """Whether the value lies inside the closed interval."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Scale:
    """A monotone map on which an estimate is closer to normal than on its own scale.

    Attributes:
        name: "identity", "logit" (rates) or "fisher" (correlations).
        forward: Natural to working scale.
        slope: Derivative of `forward`.
        backward: Working to natural scale.
    """

    name: str
    forward: Callable[[Values], Values]
    slope: Callable[[Values], Values]
    backward: Callable[[Values], Values]


def _clip_rate(rate: Values) -> Values:
    clipped: Values = np.clip(rate, 1e-12, 1 - 1e-12)
    return clipped


def _clip_correlation(r: Values) -> Values:
    clipped: Values = np.clip(r, -1 + 1e-12, 1 - 1e-12)
    return clipped


IDENTITY = Scale("identity", lambda v: v, np.ones_like, lambda v: v)
LOGIT = Scale(
    "logit",
    lambda p: np.log(_clip_rate(p)) - np.log1p(-_clip_rate(p)),
    lambda p: 1.0 / (_clip_rate(p) * (1 - _clip_rate(p))),
    lambda w: 1.0 / (1.0 + np.exp(-w)),
)
FISHER = Scale(
    "fisher",
    lambda r: np.arctanh(_clip_correlation(r)),
    lambda r: 1.0 / (1.0 - _clip_correlation(r) ** 2),
    np.tanh,
)


def standard_error(totals: ImageTotals, statistic: Statistic) -> Values:
    """Cluster-robust (linearized) standard error of a statistic of image totals.

    se^2 = n/(n-1) * sum_i (g . (t_i - mean t))^2 with g the gradient at the summed totals: the sandwich
    estimator with one cluster per image.

    Args:
        totals: Totals per image, [..., image, total].
        statistic: The function of the summed totals.

    Returns:
        Standard error [...]; 0 when every image has the same influence, NaN when the statistic is undefined.

    Source: Binder (1983), "On the variances of asymptotically normal estimators from complex surveys".
    """
    n_images = totals.shape[-2]
    gradient = statistic.gradient(totals.sum(axis=-2))
    centered = totals - totals.mean(axis=-2, keepdims=True)
    influence = np.einsum("...it,...t->...i", centered, gradient)
    variance: Values = np.sum(influence**2, axis=-1) * n_images / (n_images - 1)
    error: Values = np.sqrt(variance)
    return error


def linearized_bounds(
    totals: ImageTotals, statistic: Statistic, scale: Scale = IDENTITY, level: float = 0.95
) -> tuple[Values, Values]:
    """Cluster-robust t interval, vectorized over leading axes.

    Args:
        totals: Totals per image, [..., image, total].
        statistic: The function of the summed totals.
        scale: Working scale; the interval is symmetric there.
        level: Confidence level in (0, 1).

    Returns:
        Lower and upper ends [...].
    """
    value = statistic.value(totals.sum(axis=-2))
    spread = standard_error(totals, statistic) * scale.slope(value)
    quantile = special.stdtrit(totals.shape[-2] - 1, 0.5 + level / 2)
    center = scale.forward(value)
    return scale.backward(center - quantile * spread), scale.backward(center + quantile * spread)


def effective_wilson_bounds(totals: ImageTotals, level: float = 0.95) -> tuple[Values, Values]:
    """Wilson interval of a rate with the effective number of independent questions.

    n_eff = p (1 - p) / se^2 with the image-clustered se; when no or every question is a hit the clustering
    cannot be estimated and each image with a question counts as one observation.

    Args:
        totals: Per image (hits, questions), [..., image, 2].
        level: Confidence level in (0, 1).

    Returns:
        Lower and upper ends [...], inside [0, 1].

    Source: Korn and Graubard (1998), Survey Methodology 24; Wilson (1927).
    """
    n_images = totals.shape[-2]
    rate = RATIO.value(totals.sum(axis=-2))
    variance = standard_error(totals, RATIO) ** 2
    occupied = np.sum(totals[..., 1] > 0, axis=-1)
    is_flat = variance <= 1e-18
    n_eff = np.where(is_flat, occupied, rate * (1 - rate) / np.where(is_flat, 1.0, variance))
    z2 = special.stdtrit(n_images - 1, 0.5 + level / 2) ** 2
    center = (rate + z2 / (2 * n_eff)) / (1 + z2 / n_eff)
    half = np.sqrt(z2 * rate * (1 - rate) / n_eff + z2**2 / (4 * n_eff**2)) / (1 + z2 / n_eff)
    return np.maximum(center - half, 0.0), np.minimum(center + half, 1.0)


def require_images(n_images: int, least: int = 2) -> None:
    """Refuse a statistic on too few images.

    Args:
        n_images: Number of images at hand.
        least: Smallest acceptable number.

    Raises:
        DataError: If there are fewer.
    """
    if n_images < least:
        raise DataError(
            f"{n_images} image(s): expected at least {least}; pool more images before asking for it"
        )


def total_value(totals: Totals, statistic: Statistic) -> float:
    """The statistic of one data set as a plain float."""
    return float(statistic.value(np.sum(totals, axis=-2)))
