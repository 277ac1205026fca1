"""Yes/no metrics per condition and split, with image-clustered intervals and paired differences."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Unpack

import numpy as np
import pandas as pd
from jaxtyping import Float

from scr_lens.analysis.bootstrap import IntervalOptions, rate_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.paired_terms import terms_difference
from scr_lens.analysis.permutation import sign_flip_test
from scr_lens.analysis.records import (
    is_absent,
    of_condition,
    of_split,
    pair_conditions,
    said_yes,
    split_names,
    usable_records,
)
from scr_lens.errors import DataError

COUNTS = ("tp", "fp", "tn", "fn", "n_present", "n_absent")
ALL_SPLITS = "all"

_NUMERATOR_DENOMINATOR: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = MappingProxyType(
    {
        "hallucination_rate": ({"fp": 1}, {"n_absent": 1}),
        "accuracy": ({"tp": 1, "tn": 1}, {"n_present": 1, "n_absent": 1}),
        "precision": ({"tp": 1}, {"tp": 1, "fp": 1}),
        "recall": ({"tp": 1}, {"n_present": 1}),
        "f1": ({"tp": 2}, {"tp": 1, "fp": 1, "n_present": 1}),
        "yes_ratio": ({"tp": 1, "fp": 1}, {"n_present": 1, "n_absent": 1}),
        "other_ratio": (
            {"n_present": 1, "n_absent": 1, "tp": -1, "fp": -1, "tn": -1, "fn": -1},
            {"n_present": 1, "n_absent": 1},
        ),
    }
)
METRICS = tuple(_NUMERATOR_DENOMINATOR)


def answer_counts(frame: pd.DataFrame, column: str = "answer") -> Float[np.ndarray, "question 6"]:
    """Confusion counts of each question.

    Args:
        frame: Records with `label` and the answer column.
        column: Answer column; values "yes", "no", anything else is neither.

    Returns:
        Columns tp, fp, tn, fn, n_present, n_absent of zeros and ones; an answer that is neither yes nor no
        counts in n_present or n_absent only (so it is wrong, and never a false positive).
    """
    absent, yes = is_absent(frame), said_yes(frame, column)
    no = (frame[column] == "no").to_numpy(dtype=np.float64)
    present = 1 - absent
    return np.stack([present * yes, absent * yes, absent * no, present * no, present, absent], axis=-1)


def metric_terms(counts: Float[np.ndarray, "row 6"], metric: str) -> Float[np.ndarray, "row 2"]:
    """Numerator and denominator of a metric as linear functions of the confusion counts.

    hallucination_rate = fp / n_absent; accuracy = (tp + tn) / n; precision = tp / (tp + fp);
    recall = tp / n_present; f1 = 2 tp / (tp + fp + n_present); yes_ratio = (tp + fp) / n;
    other_ratio = share of answers that are neither yes nor no.

    Args:
        counts: Columns as in `COUNTS`.
        metric: One of `METRICS`.

    Returns:
        Columns numerator, denominator; a metric is the ratio of their sums.

    Raises:
        DataError: If the metric is unknown.

    Source: SCR paper, Sec. 4 (Metrics); POPE (Li et al. 2023).
    """
    if metric not in _NUMERATOR_DENOMINATOR:
        raise DataError(f"metric {metric!r}: expected one of {list(METRICS)}")
    parts = [
        sum(weight * counts[:, COUNTS.index(name)] for name, weight in side.items())
        for side in _NUMERATOR_DENOMINATOR[metric]
    ]
    return np.stack(parts, axis=-1).astype(np.float64)


def metric_interval(frame: pd.DataFrame, metric: str, *, level: float = 0.95) -> Interval | None:
    """A metric of some records with its image-clustered interval.

    Args:
        frame: Records of one condition.
        metric: One of `METRICS`.
        level: Confidence level.

    Returns:
        The interval in [0, 1]; None when the denominator is empty (for example precision without a yes).

    Raises:
        DataError: If there are fewer than 2 images.
    """
    return _totals_interval(count_totals(frame), metric, level)


def count_totals(frame: pd.DataFrame) -> Float[np.ndarray, "image 6"]:
    """Confusion counts of each image.

    Args:
        frame: Records of one condition.

    Returns:
        Columns as in `COUNTS`; a metric's terms are linear in them, so one table serves every metric.
    """
    return image_totals(answer_counts(frame), frame["image_id"].tolist())


def _totals_interval(totals: Float[np.ndarray, "image 6"], metric: str, level: float) -> Interval | None:
    terms = metric_terms(totals, metric)
    return rate_interval(terms, level=level) if terms[:, 1].any() else None


def metric_difference(
    paired: pd.DataFrame,
    metric: str,
    *,
    level: float = 0.95,
    **options: Unpack[IntervalOptions],
) -> Interval | None:
    """Change of a metric from baseline to treated on the same questions.

    Args:
        paired: Rows of `records.pair_conditions`.
        metric: One of `METRICS`.
        level: Confidence level.
        **options: Interval method, resamples and seed (see `bootstrap.IntervalOptions`).

    Returns:
        Treated minus baseline in [-1, 1] with an image-clustered interval (cluster-robust t by default);
        negative means lower under treatment. None when a denominator is empty.

    Raises:
        DataError: If there are fewer than 2 images.
    """
    after = metric_terms(answer_counts(paired, "answer_treated"), metric)
    before = metric_terms(answer_counts(paired), metric)
    return terms_difference(after, before, paired["image_id"].tolist(), level=level, **options)


def _ends(interval: Interval | None) -> dict[str, object]:
    if interval is None:
        return {"estimate": np.nan, "ci_low": np.nan, "ci_high": np.nan, "interval": "undefined"}
    ends = {"estimate": interval.estimate, "ci_low": interval.low, "ci_high": interval.high}
    return ends | {"interval": interval.method}


def _by_split(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    parts = [(name, of_split(frame, name)) for name in split_names(frame)]
    return [*parts, (ALL_SPLITS, frame)] if len(parts) != 1 else parts


def metrics_table(frame: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Every metric per condition and split.

    Args:
        frame: Records of one model, any number of conditions.
        level: Confidence level.

    Returns:
        Long table: condition, split, metric, estimate, ci_low, ci_high, interval, n_images, n_questions. The
        split "all" pools the distinct questions (each once, although it may belong to several splits).

    Raises:
        DataError: If records are malformed.
    """
    rows = [
        {"condition": condition, "split": split} | row
        for condition in frame["condition"].unique()
        for split, part in _by_split(of_condition(frame, condition))
        for row in _metric_rows(part, level)
    ]
    return pd.DataFrame(rows)


def _metric_rows(part: pd.DataFrame, level: float) -> list[dict[str, object]]:
    totals = count_totals(part)
    size: dict[str, object] = {"n_images": len(totals), "n_questions": len(part)}
    return [{"metric": name} | _ends(_totals_interval(totals, name, level)) | size for name in METRICS]


def differences_table(
    frame: pd.DataFrame,
    baseline: str = "vanilla",
    *,
    level: float = 0.95,
    **options: Unpack[IntervalOptions],
) -> pd.DataFrame:
    """Paired change of every metric against a baseline condition.

    Args:
        frame: Records of one model with the baseline and other conditions.
        baseline: Condition compared against.
        level: Confidence level.
        **options: Interval method, resamples and seed (see `bootstrap.IntervalOptions`).

    Returns:
        Long table as `metrics_table` with `baseline` and, for hallucination_rate and accuracy, `p_value`
        of the image-clustered sign-flip test.

    Raises:
        DataError: If the baseline is missing or records are malformed.
    """
    conditions = [name for name in frame["condition"].unique() if name != baseline]
    rows = []
    for condition in conditions:
        for split, part in _by_split(pair_conditions(frame, baseline, condition)):
            for metric in METRICS:
                change = metric_difference(part, metric, level=level, **options)
                row = {"condition": condition, "baseline": baseline, "split": split, "metric": metric}
                size = {"n_images": part["image_id"].nunique(), "n_questions": len(part)}
                p_value = difference_p_value(part, metric, seed=options.get("seed", 0))
                rows.append(row | _ends(change) | size | {"p_value": p_value})
    return pd.DataFrame(rows)


def difference_p_value(paired: pd.DataFrame, metric: str, *, seed: int = 0) -> float:
    """Two-sided p-value of no change, by flipping the sign of whole images.

    Args:
        paired: Rows of `records.pair_conditions`.
        metric: One of `METRICS`.
        seed: Seed of the flips.

    Returns:
        p in (0, 1]; NaN for precision and f1, whose denominators depend on the answers.
    """
    after = metric_terms(answer_counts(paired, "answer_treated"), metric)
    before = metric_terms(answer_counts(paired), metric)
    if metric in ("precision", "f1"):
        return float("nan")
    change = image_totals(after[:, :1] - before[:, :1], paired["image_id"].tolist())[:, 0]
    return sign_flip_test(change, seed=seed)


def summary_row(frame: pd.DataFrame) -> dict[str, float]:
    """Point values of every metric of some records of one condition.

    Args:
        frame: Records.

    Returns:
        Metric name to value; NaN where undefined.
    """
    counts = answer_counts(usable_records(frame)).sum(axis=0, keepdims=True)
    terms = {metric: metric_terms(counts, metric)[0] for metric in METRICS}
    return {
        metric: float(top / bottom) if bottom else float("nan") for metric, (top, bottom) in terms.items()
    }
