"""Smooth functions of image totals: the statistics whose resampling needs only sums per image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Totals = Float[np.ndarray, "*batch total"]
Values = Float[np.ndarray, "*batch"]


@dataclass(frozen=True)
class Statistic:
    """A differentiable function of summed per-image totals.

    Attributes:
        name: What the statistic is called in tables.
        n_totals: Number of totals it reads (last axis of its input).
        value: Maps totals [..., n_totals] to the statistic [...]; NaN where it is undefined.
        gradient: Maps totals [..., n_totals] to the partial derivatives [..., n_totals].
    """

    name: str
    n_totals: int
    value: Callable[[Totals], Values]
    gradient: Callable[[Totals], Totals]


def _divide(numerator: Values, denominator: Values) -> Values:
    safe = np.where(denominator == 0, np.nan, denominator)
    quotient: Values = numerator / safe
    return quotient


def _ratio_value(totals: Totals) -> Values:
    return _divide(totals[..., 0], totals[..., 1])


def _ratio_gradient(totals: Totals) -> Totals:
    inverse = _divide(np.ones_like(totals[..., 1]), totals[..., 1])
    return np.stack([inverse, -totals[..., 0] * inverse**2], axis=-1)


def _difference_value(totals: Totals) -> Values:
    difference: Values = _ratio_value(totals[..., :2]) - _ratio_value(totals[..., 2:])
    return difference


def _difference_gradient(totals: Totals) -> Totals:
    return np.concatenate([_ratio_gradient(totals[..., :2]), -_ratio_gradient(totals[..., 2:])], axis=-1)


def _moments(totals: Totals) -> tuple[Values, Values, Values, Values, Values]:
    count, x, y, xx, yy, xy = np.moveaxis(totals, -1, 0)
    mean_x, mean_y = _divide(x, count), _divide(y, count)
    return mean_x, mean_y, xx - x * mean_x, yy - y * mean_y, xy - x * mean_y


def _correlation_value(totals: Totals) -> Values:
    _, _, sxx, syy, sxy = _moments(totals)
    return _divide(sxy, np.sqrt(np.maximum(sxx * syy, 0.0)))


def _correlation_gradient(totals: Totals) -> Totals:
    mean_x, mean_y, sxx, syy, _ = _moments(totals)
    r = _correlation_value(totals)
    scale = _divide(np.ones_like(sxx), np.sqrt(np.maximum(sxx * syy, 0.0)))
    half_x, half_y = 0.5 * _divide(r, sxx), 0.5 * _divide(r, syy)
    parts = [
        scale * mean_x * mean_y - half_x * mean_x**2 - half_y * mean_y**2,
        -scale * mean_y + 2 * half_x * mean_x,
        -scale * mean_x + 2 * half_y * mean_y,
        -half_x,
        -half_y,
        scale,
    ]
    return np.stack(parts, axis=-1)


RATIO = Statistic("ratio", 2, _ratio_value, _ratio_gradient)
"""sum(a) / sum(b): a rate, a mean (b = 1 per question), or a paired difference of rates."""

RATIO_DIFFERENCE = Statistic("ratio difference", 4, _difference_value, _difference_gradient)
"""sum(a) / sum(b) - sum(c) / sum(d): a difference of two rates measured on the same images."""

CORRELATION = Statistic("correlation", 6, _correlation_value, _correlation_gradient)
"""Pearson r from the totals (count, x, y, x^2, y^2, x y) built by `correlation_totals`."""


def correlation_totals(x: Float[np.ndarray, "*batch"], y: Float[np.ndarray, "*batch"]) -> Totals:
    """Per-question terms whose sums define Pearson's r.

    Values are centered first (r does not change) so that the sums keep their precision.

    Args:
        x: First variable, one value per question.
        y: Second variable, same shape.

    Returns:
        Array [..., 6] of (1, x, y, x^2, y^2, x y) with x and y centered at their overall mean.
    """
    x, y = x - np.mean(x), y - np.mean(y)
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1)
