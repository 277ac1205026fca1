"""Image-clustered bootstrap: resamples images, never single questions.

Interval methods, with the miss rate of nominal 95% intervals in 4,000 simulated studies of 150 (40) images:

* ``linearized`` (default): cluster-robust t. Differences of rates 5.2-5.7% (5.1%), correlations 4.8-5.5%
  (6.1-6.6%).
* ``studentized``: bootstrap-t, an image-clustered standard error in every replicate. Correlations 4.7-5.5%
  (5.6-5.7%), balanced tails for skewed means: these use it. Differences of rates 5.6-6.5% (6.9%).
* ``percentile``, ``bca``: for comparison, and for any function of the rows (`row_bootstrap`). Percentile
  5.2-6.2% (6.5-7.4%).

Rates have their own interval (`rate_interval`, Wilson with the effective sample size): on rare events the
percentile bootstrap misses on one side, and the bootstrap of zero events is a point.
"""

from functools import lru_cache
from typing import Literal, TypedDict

import numpy as np
from jaxtyping import Float
from scipy import stats

from scr_lens.analysis.interval import (
    IDENTITY,
    ImageTotals,
    Interval,
    Scale,
    effective_wilson_bounds,
    linearized_bounds,
    require_images,
    standard_error,
    total_value,
)
from scr_lens.analysis.statistic import RATIO, Statistic, Values
from scr_lens.errors import DataError

Method = Literal["studentized", "linearized", "percentile", "bca"]
N_RESAMPLES = 1999
LARGEST_LOSS = 0.05
_FLAT = 1e-12


class Sampling(TypedDict, total=False):
    """Resampling settings that functions on frames pass through.

    Attributes:
        n_resamples: Number of bootstrap resamples.
        seed: Seed of resampling and flips.
    """

    n_resamples: int
    seed: int


class IntervalOptions(Sampling, total=False):
    """Interval settings that functions of differences pass through.

    Attributes:
        method: Interval method; "linearized" when left out.
    """

    method: Method


DEFAULT_SAMPLING: Sampling = {"n_resamples": N_RESAMPLES, "seed": 0}
DEFAULT_OPTIONS: IntervalOptions = {"method": "linearized", "n_resamples": N_RESAMPLES, "seed": 0}


@lru_cache(maxsize=4)
def resample_weights(
    n_images: int, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> Float[np.ndarray, "resample image"]:
    """How often each image is drawn in each bootstrap resample.

    Args:
        n_images: Number of images.
        n_resamples: Number of resamples.
        seed: Seed of the generator; the same seed gives the same weights.

    Returns:
        Whole numbers (as floats), read-only; each row sums to `n_images`.

    Raises:
        DataError: If there are fewer than 2 images.
    """
    require_images(n_images)
    draws = np.random.default_rng(seed).multinomial(n_images, np.full(n_images, 1 / n_images), n_resamples)
    weights: np.ndarray = draws.astype(np.float64)
    weights.flags.writeable = False  # shared by all statistics of the same images
    return weights


def bootstrap_values(
    totals: ImageTotals, statistic: Statistic, weights: Float[np.ndarray, "resample image"]
) -> Float[np.ndarray, "*batch resample"]:
    """The statistic in every resample, as one matrix product over image totals.

    Args:
        totals: Totals per image, [..., image, total].
        statistic: The function of the summed totals.
        weights: Image multiplicities from `resample_weights`.

    Returns:
        Replicates [..., resample]; NaN where the statistic is undefined.
    """
    return statistic.value(weights @ totals)


def bootstrap_errors(
    totals: ImageTotals, statistic: Statistic, weights: Float[np.ndarray, "resample image"]
) -> Float[np.ndarray, "*batch resample"]:
    """Image-clustered standard error within every resample.

    Uses second moments: sum_i w_i (g . (t_i - mean))^2 = g' (Q - T T'/n) g with T, Q the weighted sums.

    Args:
        totals: Totals per image, [..., image, total].
        statistic: The function of the summed totals.
        weights: Image multiplicities from `resample_weights`.

    Returns:
        Standard errors [..., resample]; 0 where a resample has no variation.
    """
    n_images, width = totals.shape[-2:]
    row, col = np.triu_indices(width)
    sums = weights @ totals
    scatter = weights @ (totals[..., row] * totals[..., col]) - sums[..., row] * sums[..., col] / n_images
    gradient = statistic.gradient(sums)
    factor = gradient[..., row] * gradient[..., col] * np.where(row == col, 1.0, 2.0)
    variance = np.sum(factor * scatter, axis=-1) * n_images / (n_images - 1)
    errors: Values = np.sqrt(np.maximum(variance, 0.0))
    return errors


def studentized_bounds(
    totals: ImageTotals,
    statistic: Statistic,
    weights: Float[np.ndarray, "resample image"],
    scale: Scale = IDENTITY,
    level: float = 0.95,
) -> tuple[Values, Values]:
    """Bootstrap-t interval, vectorized over leading axes.

    Args:
        totals: Totals per image, [..., image, total].
        statistic: The function of the summed totals.
        weights: Image multiplicities from `resample_weights`.
        scale: Working scale.
        level: Confidence level in (0, 1).

    Returns:
        Lower and upper ends [...]; NaN where more than 5% of the resamples have no defined t value.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, ch. 12.
    """
    value = statistic.value(totals.sum(axis=-2))
    spread = standard_error(totals, statistic) * scale.slope(value)
    replicate = bootstrap_values(totals, statistic, weights)
    errors = bootstrap_errors(totals, statistic, weights) * scale.slope(replicate)
    is_usable = np.isfinite(replicate) & (errors > _FLAT)
    distance = scale.forward(replicate) - scale.forward(value)[..., None]
    t_values = np.where(is_usable, distance / np.where(is_usable, errors, 1.0), np.nan)
    is_lost = np.mean(~is_usable, axis=-1) > LARGEST_LOSS
    t_values = np.where(is_lost[..., None], 0.0, t_values)
    low_t, high_t = np.nanquantile(t_values, [0.5 - level / 2, 0.5 + level / 2], axis=-1)
    center = scale.forward(value)
    low, high = scale.backward(center - high_t * spread), scale.backward(center - low_t * spread)
    return np.where(is_lost, np.nan, low), np.where(is_lost, np.nan, high)


def bca_levels(
    value: float,
    replicates: Float[np.ndarray, "resample"],
    jackknife: Float[np.ndarray, "image"],
    level: float,
) -> tuple[float, float]:
    """Percentile levels after the bias and acceleration correction.

    Args:
        value: The statistic on the data.
        replicates: Its bootstrap replicates.
        jackknife: Its values leaving out one image at a time.
        level: Nominal confidence level.

    Returns:
        Lower and upper levels in [0, 1]; (1 - level)/2 and its complement when nothing needs correction.

    Source: Efron (1987), "Better bootstrap confidence intervals", JASA 82.
    """
    below = np.mean(replicates < value) + 0.5 * np.mean(replicates == value)
    bias = stats.norm.ppf(np.clip(below, 1e-6, 1 - 1e-6))
    centered = jackknife.mean() - jackknife
    spread = np.sum(centered**2)
    acceleration = np.sum(centered**3) / (6 * spread**1.5) if spread > 0 else 0.0
    z = bias + stats.norm.ppf([0.5 - level / 2, 0.5 + level / 2])
    low, high = stats.norm.cdf(bias + z / (1 - acceleration * z))
    return float(low), float(high)


def jackknife_values(
    totals: Float[np.ndarray, "image total"], statistic: Statistic
) -> Float[np.ndarray, "image"]:
    """The statistic leaving out one image at a time.

    Args:
        totals: Totals per image.
        statistic: The function of the summed totals.

    Returns:
        One value per left-out image.
    """
    return statistic.value(totals.sum(axis=0) - totals)


def _resampled_ends(
    totals: Float[np.ndarray, "image total"],
    statistic: Statistic,
    method: Method,
    level: float,
    sampling: tuple[int, int],
) -> tuple[float, float]:
    replicates = bootstrap_values(totals, statistic, resample_weights(len(totals), *sampling))
    replicates = replicates[np.isfinite(replicates)]
    levels = (0.5 - level / 2, 0.5 + level / 2)
    if method == "bca":
        left_out = jackknife_values(totals, statistic)
        levels = bca_levels(total_value(totals, statistic), replicates, left_out, level)
    low, high = np.quantile(replicates, levels)
    return float(low), float(high)


def cluster_interval(
    totals: Float[np.ndarray, "image total"],
    statistic: Statistic = RATIO,
    *,
    method: Method = "linearized",
    scale: Scale = IDENTITY,
    level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Image-clustered interval of a smooth function of image totals.

    Args:
        totals: Totals per image (see `clusters.image_totals`).
        statistic: The function of the summed totals.
        method: Interval method; see the module docstring.
        scale: Working scale of "studentized" and "linearized".
        level: Confidence level in (0, 1).
        n_resamples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        The interval. When no image varies (for example two conditions with identical answers) both ends equal
        the estimate and `method` is "degenerate"; "studentized" with degenerate replicates becomes
        "linearized".

    Raises:
        DataError: If there are fewer than 2 images or the statistic is undefined on the data.
    """
    require_images(len(totals))
    value, error = total_value(totals, statistic), float(standard_error(totals, statistic))
    if not np.isfinite(value):
        raise DataError(
            f"{statistic.name} is undefined: its denominator is zero; check that the subset is not empty"
        )
    if error <= _FLAT:
        return Interval(value, value, value, 0.0, len(totals), "degenerate")
    if method in ("percentile", "bca"):
        low, high = _resampled_ends(totals, statistic, method, level, (n_resamples, seed))
        return Interval(value, low, high, error, len(totals), method)
    if method == "studentized":
        weights = resample_weights(len(totals), n_resamples, seed)
        low, high = (float(end) for end in studentized_bounds(totals, statistic, weights, scale, level))
        if np.isfinite(low) and np.isfinite(high):
            return Interval(value, low, high, error, len(totals), method)
    low, high = (float(end) for end in linearized_bounds(totals, statistic, scale, level))
    return Interval(value, low, high, error, len(totals), "linearized")


def rate_interval(totals: Float[np.ndarray, "image 2"], *, level: float = 0.95) -> Interval:
    """Image-clustered interval of a rate (hits / questions).

    Args:
        totals: Per image (hits, questions).
        level: Confidence level in (0, 1).

    Returns:
        The interval in [0, 1], never a point: with no hit its upper end is that of as many independent
        observations as there are images with a question.

    Raises:
        DataError: If there are fewer than 2 images or no question.
    """
    require_images(len(totals))
    value = total_value(totals, RATIO)
    if not np.isfinite(value):
        raise DataError("the rate is undefined: no question in its denominator; the subset must not be empty")
    low, high = (float(end) for end in effective_wilson_bounds(totals, level))
    return Interval(value, low, high, float(standard_error(totals, RATIO)), len(totals), "wilson")
