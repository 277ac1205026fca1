"""P2 and P3: is the gain larger where entropy is low, or where neighboring patches are alike?"""

from collections.abc import Sequence
from typing import Unpack

import numpy as np
from jaxtyping import Num

from scr_lens.analysis.bootstrap import IntervalOptions
from scr_lens.analysis.power import detectable_effect
from scr_lens.analysis.strata import quantile_strata, stratum_contrast
from scr_lens.analysis.unchanged import widened
from scr_lens.analysis.verdict import PredictionResult, conclude

_P2_CAVEATS = (
    "strata are quantiles of H / ln N: the paper's thresholds in nats mean another spread on each grid",
    "a stratum with a higher baseline rate has more room to gain; compare the relative reductions too",
)
_P3_CAVEATS = (
    "images are not randomized to autocorrelation: smooth images differ in other ways, such as fewer objects",
    "a stratum with a higher baseline rate has more room to gain; compare the relative reductions too",
)


def entropy_gain(
    entropy: Num[np.ndarray, "question"],
    gain: Num[np.ndarray, "question"],
    image_ids: Sequence[object],
    *,
    estimator: str,
    n_strata: int = 4,
    paper_value: float | None = None,
    **options: Unpack[IntervalOptions],
) -> PredictionResult:
    """Test P2: gain in the lowest minus gain in the highest entropy stratum.

    Args:
        entropy: Normalized baseline credit entropy per question about an absent object.
        gain: False yes at baseline minus false yes under SCR (-1, 0 or 1).
        image_ids: Image of each question.
        estimator: Name of the credit estimator behind the entropy.
        n_strata: Number of quantile strata.
        paper_value: The paper's difference (0.098 - 0.024 = 0.074, as rates).
        **options: Interval method, resamples and seed (see `bootstrap.IntervalOptions`).

    Returns:
        Difference of rate reductions in [-2, 2], positive when SCR helps low entropy more, with rule P2's
        verdict.

    Raises:
        DataError: If there are too few questions or images for the strata.

    Source: SCR paper, Sec. 5.5 (P2), Figure 3.
    """
    name = f"{estimator} entropy, lowest minus highest of {n_strata} quantiles"
    return _contrast(
        "P2", entropy, gain, image_ids, (0, n_strata - 1), name, paper_value, _P2_CAVEATS, options
    )


def spatial_gain(
    autocorrelation: Num[np.ndarray, "question"],
    gain: Num[np.ndarray, "question"],
    image_ids: Sequence[object],
    *,
    estimator: str,
    n_strata: int = 3,
    paper_value: float | None = None,
    **options: Unpack[IntervalOptions],
) -> PredictionResult:
    """Test P3: gain in the highest minus gain in the lowest autocorrelation stratum.

    Args:
        autocorrelation: Spatial autocorrelation of the image of each question (see `analysis.spatial`).
        gain: False yes at baseline minus false yes under SCR (-1, 0 or 1).
        image_ids: Image of each question.
        estimator: Name of the autocorrelation measure.
        n_strata: Number of quantile strata.
        paper_value: The paper gives no number for it.
        **options: Interval method, resamples and seed (see `bootstrap.IntervalOptions`).

    Returns:
        Difference of rate reductions in [-2, 2], positive when SCR helps smooth images more, with rule P3's
        verdict.

    Raises:
        DataError: If there are too few questions or images for the strata.

    Source: SCR paper, Sec. 5.5 (P3).
    """
    name = f"{estimator}, highest minus lowest of {n_strata} quantiles"
    pair = (n_strata - 1, 0)
    return _contrast("P3", autocorrelation, gain, image_ids, pair, name, paper_value, _P3_CAVEATS, options)


def _contrast(
    rule: str,
    predictor: np.ndarray,
    gain: np.ndarray,
    image_ids: Sequence[object],
    pair: tuple[int, int],
    estimator: str,
    paper_value: float | None,
    caveats: tuple[str, ...],
    options: IntervalOptions,
) -> PredictionResult:
    strata, _ = quantile_strata(predictor, max(pair) + 1)
    found = stratum_contrast(strata, gain, image_ids, pair, **options)
    interval = widened(found.interval, groups=2)
    return conclude(
        rule,
        interval=(interval.estimate, interval.low, interval.high),
        p_value=found.p_value,
        size=(interval.n_images, found.n_questions),
        estimator=estimator,
        detectable_effect=detectable_effect(interval.se, interval.n_images),
        paper_value=paper_value,
        caveats=caveats,
    )
