"""No image changed: what can then be said about the rate of change, and what cannot."""

from scipy import stats

from scr_lens.analysis.interval import Interval

NONE_CHANGED = "none changed"
"""Method of an interval that was widened because not a single image changed."""


def unchanged_bound(n_images: int, level: float = 0.95) -> float:
    """Largest share of images that could change although none of those seen did.

    b = 1 - ((1 - level) / 2)^(1 / n), about 3.7 / n: the upper end of the two-sided Clopper-Pearson interval
    for 0 of n, the convention of every other interval here. A share p above b leaves n images untouched with
    probability (1 - p)^n < (1 - level) / 2.

    Args:
        n_images: Images seen, none of which changed. Images, never questions: the questions of one image
            change together, so further questions about the same images are no further evidence.
        level: Confidence level of the two-sided interval.

    Returns:
        Share in (0, 1]; 1 where nothing was seen.

    Source: Clopper and Pearson (1934), Biometrika 26.
    """
    return float(1 - ((1 - level) / 2) ** (1 / n_images)) if n_images > 0 else 1.0


def widened(interval: Interval, *, groups: int = 1, level: float = 0.95) -> Interval:
    """Give a zero change in every image the interval that this allows.

    A standard error of 0 does not mean that the effect is known: 20 images without a change are compatible
    with one image in six changing. A share p of changed images moves a rate by at most p, up or down, where
    images have equally many questions or change whatever their number, so that [-b, b] holds the effect
    with at least the level asked for. Over several groups the same event, no change anywhere, bounds the
    share of each, also where they share images; their bounds add up.

    Args:
        interval: Interval of a difference of rates, from totals per image; returned as it is unless it is
            degenerate at 0.
        groups: Number of groups of images that the difference is taken between, taken as equally large; each
            gets its own bound.
        level: Confidence level.

    Returns:
        The interval, or [-b, b] with b the sum over groups of `unchanged_bound`, at most 1; its standard
        error is that of a normal estimate with these ends.
    """
    if interval.method != "degenerate" or interval.estimate != 0:
        return interval
    bound = min(1.0, groups * unchanged_bound(interval.n_images // groups, level))
    error = bound / float(stats.norm.ppf(0.5 + level / 2))
    return Interval(0.0, -bound, bound, error, interval.n_images, NONE_CHANGED)
