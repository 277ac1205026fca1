"""Ratios formed within pairs, such as times of two variants measured in one round."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Cost of one variant relative to another in the same round.

    Attributes:
        median: Median over rounds; 1 means free.
        low: Lower quartile.
        high: Upper quartile.
    """

    median: float
    low: float
    high: float


def paired_ratio(times: Sequence[float], plain: Sequence[float]) -> Ratio:
    """Ratios formed within rounds.

    Args:
        times: Cost of one variant, one entry per round, at least two.
        plain: Cost of the other variant in the same rounds.

    Returns:
        Median and quartiles of times / plain.
    """
    ratios = [mine / base for mine, base in zip(times, plain, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median=median, low=low, high=high)
