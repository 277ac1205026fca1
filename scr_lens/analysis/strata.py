"""Rates and gains by quantile of a predictor, and the contrast of the outer strata."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Num

from scr_lens.analysis.bootstrap import IntervalOptions, cluster_interval, rate_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.permutation import sign_flip_test
from scr_lens.analysis.statistic import RATIO_DIFFERENCE
from scr_lens.errors import DataError


def quantile_strata(
    predictor: Num[np.ndarray, "question"], n_strata: int
) -> tuple[Int[np.ndarray, "question"], Float[np.ndarray, "edge"]]:
    """Assign questions to strata of about equal size by quantiles of a predictor.

    Args:
        predictor: One finite value per question.
        n_strata: Number of strata, >= 2.

    Returns:
        Stratum 0 (lowest) .. n_strata - 1 of each question, and the n_strata + 1 edges. A value on an edge
        belongs to the upper stratum.

    Raises:
        DataError: If a value is not finite, n_strata < 2, there are fewer questions than strata, or ties
            leave a stratum empty.
    """
    x = np.asarray(predictor, dtype=np.float64)
    _require_strata(x, n_strata)
    edges = np.quantile(x, np.linspace(0, 1, n_strata + 1))
    strata = np.searchsorted(edges[1:-1], x, side="right")
    if len(np.unique(strata)) < n_strata:
        raise DataError(
            f"{len(x)} questions have only {len(np.unique(x))} different values of the predictor, too many "
            f"ties for {n_strata} groups of equal size: ask about more images, or use fewer groups"
        )
    return strata, edges


def _require_strata(x: Float[np.ndarray, "question"], n_strata: int) -> None:
    if n_strata < 2:
        raise DataError(f"n_strata={n_strata}: expected 2 or more groups to compare")
    if len(x) < n_strata:
        raise DataError(
            f"{len(x)} questions are too few for {n_strata} groups by quantiles: expected at least "
            f"{n_strata} questions; ask about more images, or use fewer groups"
        )
    if not np.isfinite(x).all():
        raise DataError(
            f"{int((~np.isfinite(x)).sum())} of {len(x)} questions have no finite value of the predictor: "
            "expected one for each; drop those questions"
        )


def rates_by_stratum(
    predictor: Num[np.ndarray, "question"],
    hits: Num[np.ndarray, "question"],
    image_ids: Sequence[object],
    *,
    n_strata: int = 4,
    level: float = 0.95,
) -> pd.DataFrame:
    """Rate of hits per quantile stratum with image-clustered intervals.

    Args:
        predictor: One value per question, for example normalized credit entropy.
        hits: 0 or 1 per question, for example a false yes.
        image_ids: Image of each question.
        n_strata: Number of strata.
        level: Confidence level.

    Returns:
        Table: stratum, low_edge, high_edge, predictor_mean, estimate, ci_low, ci_high, n_images, n_questions.

    Raises:
        DataError: As `quantile_strata`; or if a stratum has fewer than 2 images.
    """
    strata, edges = quantile_strata(predictor, n_strata)
    rows = []
    for stratum in range(n_strata):
        chosen = strata == stratum
        terms = np.stack([hits[chosen], np.ones(chosen.sum())], axis=-1)
        rate = rate_interval(image_totals(terms, _of(image_ids, chosen)), level=level)
        rows.append(_stratum_row(stratum, edges, predictor[chosen]) | _interval_row(rate))
    return pd.DataFrame(rows)


def gains_by_stratum(
    predictor: Num[np.ndarray, "question"],
    gain: Num[np.ndarray, "question"],
    image_ids: Sequence[object],
    *,
    n_strata: int = 4,
    level: float = 0.95,
    **options: Unpack[IntervalOptions],
) -> pd.DataFrame:
    """Mean gain per quantile stratum with image-clustered intervals.

    Args:
        predictor: One value per question.
        gain: Baseline minus treated outcome per question (-1, 0 or 1): positive where the treatment helped.
        image_ids: Image of each question.
        n_strata: Number of strata.
        level: Confidence level.
        **options: Interval method, resamples and seed (see `bootstrap.IntervalOptions`).

    Returns:
        Table with the columns of `rates_by_stratum`.

    Raises:
        DataError: As `rates_by_stratum`.
    """
    strata, edges = quantile_strata(predictor, n_strata)
    rows = []
    for stratum in range(n_strata):
        chosen = strata == stratum
        totals = image_totals(
            np.stack([gain[chosen], np.ones(chosen.sum())], axis=-1), _of(image_ids, chosen)
        )
        mean = cluster_interval(totals, level=level, **options)
        rows.append(_stratum_row(stratum, edges, predictor[chosen]) | _interval_row(mean))
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Contrast:
    """Difference between two strata.

    Attributes:
        interval: Mean of the first stratum minus mean of the second.
        p_value: Two-sided p-value of no difference (image sign-flip of null-centered contributions).
        n_questions: Questions in the two strata.
    """

    interval: Interval
    p_value: float
    n_questions: int


def stratum_contrast(
    strata: Int[np.ndarray, "question"],
    gain: Num[np.ndarray, "question"],
    image_ids: Sequence[object],
    pair: tuple[int, int],
    *,
    level: float = 0.95,
    **options: Unpack[IntervalOptions],
) -> Contrast:
    """Compare the mean gain of two strata; an image may have questions in both.

    Args:
        strata: Stratum of each question.
        gain: Gain per question.
        image_ids: Image of each question.
        pair: The strata compared: first minus second.
        level: Confidence level.
        **options: Interval method, resamples and seed (see `bootstrap.IntervalOptions`).

    Returns:
        The interaction of treatment and stratum.

    Raises:
        DataError: If a stratum is empty or there are fewer than 2 images.
    """
    first, second = (np.asarray(strata == one, dtype=np.float64) for one in pair)
    used = (first + second) > 0
    if not (first.any() and second.any()):
        raise DataError(
            f"strata {pair}: expected questions in both; found {int(first.sum())} and {int(second.sum())}"
        )
    terms = np.stack([first * gain, first, second * gain, second], axis=-1)[used]
    totals = image_totals(terms, _of(image_ids, used))
    interval = cluster_interval(totals, RATIO_DIFFERENCE, level=level, **options)
    pooled = np.sum(totals[:, [0, 2]]) / np.sum(totals[:, [1, 3]])
    weights = 1 / totals[:, 1].sum(), 1 / totals[:, 3].sum()
    residual = totals[:, [0, 2]] - pooled * totals[:, [1, 3]]
    scores = residual[:, 0] * weights[0] - residual[:, 1] * weights[1]
    return Contrast(interval, sign_flip_test(scores, seed=options.get("seed", 0)), int(used.sum()))


def _of(image_ids: Sequence[object], chosen: np.ndarray) -> list[object]:
    return [image for image, is_chosen in zip(image_ids, chosen, strict=True) if is_chosen]


def _stratum_row(stratum: int, edges: np.ndarray, values: np.ndarray) -> dict[str, object]:
    return {
        "stratum": stratum,
        "low_edge": float(edges[stratum]),
        "high_edge": float(edges[stratum + 1]),
        "predictor_mean": float(values.mean()),
        "n_questions": len(values),
    }


def _interval_row(interval: Interval) -> dict[str, object]:
    ends: dict[str, object] = {
        "estimate": interval.estimate,
        "ci_low": interval.low,
        "ci_high": interval.high,
    }
    return ends | {"n_images": interval.n_images}
