"""No image changed: what can then be said about the rate of change, and what cannot."""

from scipy import stats

from scr_lens.analysis.interval import Interval

NONE_CHANGED = "none changed"
"""Method of an interval that was widened because not a single image changed."""


def unchanged_bound(n_images: int, level: float = 0.95) -> float:
    """Largest share of images that could change although none of those seen did.

    1 - ((1 - level) / 2)^(1 / n): the upper Clopper-Pearson end for 0 of n, about 3.7 / n.

    Args:
        n_images: Images seen, none of which changed.
        level: Confidence level of the two-sided interval.

    Returns:
        Share in (0, 1].
    """
    return float(1 - ((1 - level) / 2) ** (1 / max(n_images, 1)))


def widened(interval: Interval, *, groups: int = 1, level: float = 0.95) -> Interval:
    """Give a zero change in every image an honest interval.

    A standard error of 0 does not mean that the effect is known: 20 images without a change are compatible
    with one image in six changing. Each changed image can change the rate of its questions by at most 1.

    Args:
        interval: Interval of a difference of rates; returned as it is unless it is degenerate at 0.
        groups: Number of groups of images that the difference is taken between; each gets its own bound.
        level: Confidence level.

    Returns:
        The interval, or [-b, b] with b the sum over groups of `unchanged_bound`.

    Source: Clopper and Pearson (1934), Biometrika 26.
    """
    if interval.method != "degenerate" or interval.estimate != 0:
        return interval
    bound = min(1.0, groups * unchanged_bound(interval.n_images // groups, level))
    error = bound / float(stats.norm.ppf(0.5 + level / 2))
    return Interval(0.0, -bound, bound, error, interval.n_images, NONE_CHANGED)
