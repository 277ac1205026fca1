"""Tables of conditions and splits, with image-clustered intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scr_lens.analysis.hallucination import ALL_SPLITS, metrics_table
from scr_lens.analysis.rate_reduction import rate_reduction
from scr_lens.analysis.records import of_split, pair_conditions, require_columns, split_names
from scr_lens.errors import DataError

METRICS = ("hallucination_rate", "accuracy", "precision", "recall", "f1", "yes_ratio")
"""Metrics of the table, in the order of its columns."""

DIFFERENCE = "hallucination_rate_difference"
BASELINE = "vanilla"
ENDS = ("", "_low", "_high")
"""What follows a metric's name in its three columns: nothing, lower and upper end of the interval."""

_SPLIT_ORDER = ("random", "popular", "adversarial")
_CONDITION_ORDER = (BASELINE, "identity", "scr")


def condition_table(frame: pd.DataFrame, *, baseline: str = BASELINE) -> pd.DataFrame:
    """Every yes/no metric per split and condition, and the change of the hallucination rate.

    Args:
        frame: Records of one model; failed ones are left out.
        baseline: Condition that differences are taken against.

    Returns:
        One row per split and condition: split, condition, n_images, n_questions, then per metric of `METRICS`
        three columns with estimate, `_low` and `_high`, all in [0, 1]; then the same for
        `hallucination_rate_difference`, treated minus baseline on the same questions, in [-1, 1] (negative
        means fewer hallucinations; NaN for the baseline itself). The split "all" holds every distinct
        question once.

    Raises:
        DataError: If records are malformed, of several models, or a split has fewer than 2 images.
    """
    require_columns(frame, ["condition", "image_id", "question", "label", "answer"])
    _require_one_model(frame)
    long = metrics_table(frame)
    wide = [_wide_row(part) for _, part in long.groupby(["split", "condition"], sort=False)]
    table = pd.DataFrame(wide)
    pairs = _pairs(frame, baseline)
    changes = pd.DataFrame([_difference_row(pairs, row) for row in wide])
    ordered = _ordered(pd.concat([table, changes], axis=1))
    ordered.attrs["baseline"] = baseline
    return ordered


def ordered_conditions(names: Sequence[str]) -> list[str]:
    """Baseline first, then identity and SCR, then the rest by name."""
    return sorted(set(names), key=lambda name: (_rank(name, _CONDITION_ORDER), name))


def ordered_splits(names: Sequence[str]) -> list[str]:
    """Random, popular and adversarial first, other splits by name, all questions last."""
    return sorted(set(names), key=lambda name: (name == ALL_SPLITS, _rank(name, _SPLIT_ORDER), name))


def _rank(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)


def _require_one_model(frame: pd.DataFrame) -> None:
    for column in ("model_revision", "model_id"):
        models = sorted(map(str, frame[column].unique())) if column in frame.columns else []
        if len(models) > 1:
            raise DataError(
                f"records hold {len(models)} values of {column} ({', '.join(models[:3])}): "
                "expected one model; select its rows first"
            )


def _wide_row(part: pd.DataFrame) -> dict[str, object]:
    first = part.iloc[0]
    row: dict[str, object] = {name: first[name] for name in ("split", "condition", "n_images", "n_questions")}
    by_metric = part.set_index("metric")
    for metric in METRICS:
        ends = by_metric.loc[metric, ["estimate", "ci_low", "ci_high"]]
        row |= {metric + end: float(value) for end, value in zip(ENDS, ends, strict=True)}
    return row


def _pairs(frame: pd.DataFrame, baseline: str) -> dict[str, pd.DataFrame]:
    """The baseline's answers next to those of every other condition."""
    names = set(frame["condition"])
    others = names - {baseline} if baseline in names else set()
    return {name: pair_conditions(frame, baseline, name) for name in others}


def _difference_row(pairs: Mapping[str, pd.DataFrame], row: Mapping[str, object]) -> dict[str, float]:
    paired, split = pairs.get(str(row["condition"])), str(row["split"])
    change = None
    if paired is not None:
        part = of_split(paired, split) if split in split_names(paired) else paired
        if (part["label"] == "no").any():
            change = rate_reduction(part, str(row["condition"]))
    found = (np.nan,) * 3 if change is None else (change.estimate, change.high, change.low)
    return {DIFFERENCE + end: 0.0 - value for end, value in zip(ENDS, found, strict=True)}


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    splits = ordered_splits(table["split"].tolist())
    conditions = ordered_conditions(table["condition"].tolist())
    rank = table["split"].map(splits.index) * len(conditions) + table["condition"].map(conditions.index)
    return table.iloc[np.argsort(rank.to_numpy(), kind="stable")].reset_index(drop=True)
