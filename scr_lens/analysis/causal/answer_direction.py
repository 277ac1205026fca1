"""Where in depth an answer turns to yes or no, before and after an intervention."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from jaxtyping import Float

from scr_lens.analysis.bootstrap import cluster_interval
from scr_lens.analysis.causal.means import clustered_mean
from scr_lens.analysis.causal.rules import conclude_causal
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.multiplicity import holm
from scr_lens.analysis.records import require_columns, stack_column
from scr_lens.analysis.strata import stratum_contrast
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.errors import DataError

OUTCOMES = ("false yes", "right no", "right yes", "missed")
DECISIONS = MappingProxyType({"absent": ("false yes", "right no"), "present": ("right yes", "missed")})
"""Questions with one right answer that were answered yes, and no."""
KINDS = ("reading", "attribution")
_KEY = ["image_id", "question"]
_CAVEATS = (
    "groups are formed by the untouched answer, so a change of any kind pulls their extremes back: read it "
    "next to the control of equal strength",
)


@dataclass(frozen=True, eq=False)
class AnswerDirection:
    """The yes-minus-no logit along the blocks.

    Attributes:
        profiles: Long table: outcome (by the untouched answer), condition, kind ("reading": logit lens,
            "attribution": what each block adds), depth (0 is the input of the first block, l + 1 the output
            of block l), estimate, ci_low, ci_high, n_images, n_questions.
        changes: The same for each condition minus the untouched one, with p_value and p_holm (over the
            depths of one outcome, condition and kind).
        decided: For absent and for present objects, untouched: the depth from which on the reading of
            questions answered yes lies above that of questions answered no, interval and all (NaN if there
            is none), and the final difference.
        findings: Rule "selectivity" for every condition, and for the treated one in excess of the control.
    """

    profiles: pd.DataFrame
    changes: pd.DataFrame
    decided: pd.DataFrame
    findings: tuple[PredictionResult, ...]


def answer_direction(
    frame: pd.DataFrame,
    *,
    baseline: str = "vanilla",
    treated: str = "scr",
    control: str | None = "uniform-smooth",
) -> AnswerDirection:
    """Average the yes-minus-no logit per depth by outcome, with clustered intervals and paired changes.

    Args:
        frame: One row per question and condition: image_id, question, label, condition, answer, reading and
            attribution (one number per depth each).
        baseline: The untouched condition.
        treated: The condition of interest.
        control: A condition of equal strength that should do nothing of interest; None or not in the frame
            for none.

    Returns:
        Profiles, changes and verdicts.

    Raises:
        DataError: If a column or condition is missing, or conditions cover different questions.
    """
    require_columns(frame, [*_KEY, "label", "condition", "answer", *KINDS])
    rows = _with_outcome(frame, baseline)
    conditions = [str(name) for name in dict.fromkeys(rows["condition"])]
    if treated not in conditions:
        raise DataError(f"condition {treated!r}: expected one of {conditions}; run the test with it")
    parts = {name: rows[rows["condition"] == name].set_index(_KEY).sort_index() for name in conditions}
    before = parts[baseline]
    profiles, changes = [], []
    for name, part in parts.items():
        if not part.index.equals(before.index):
            raise DataError(
                f"condition {name!r} covers other questions than {baseline!r}; finish the run first"
            )
        for kind in KINDS:
            values = stack_column(part, kind)
            difference = values - stack_column(before, kind)
            for outcome in OUTCOMES:
                chosen = (before["outcome"] == outcome).to_numpy()
                images = before.index.get_level_values("image_id")[chosen].tolist()
                head = {"outcome": outcome, "condition": name, "kind": kind}
                profiles += _profile(head, values[chosen], images)
                changes += _changes(head, difference[chosen], images) if name != baseline else []
    table = pd.DataFrame(profiles)
    final = {name: stack_column(part, "reading")[:, -1] for name, part in parts.items()}
    findings = _findings(before, final, baseline, treated, control)
    return AnswerDirection(table, pd.DataFrame(changes), _decided(before), findings)


def _with_outcome(frame: pd.DataFrame, baseline: str) -> pd.DataFrame:
    untouched = frame[frame["condition"] == baseline]
    names = {
        ("no", "yes"): "false yes",
        ("no", "no"): "right no",
        ("yes", "yes"): "right yes",
        ("yes", "no"): "missed",
    }
    outcomes = [
        names.get(pair, "neither") for pair in zip(untouched["label"], untouched["answer"], strict=True)
    ]
    if not outcomes:
        raise DataError(f"condition {baseline!r} has no rows: expected the untouched answers; run it too")
    return frame.merge(untouched[_KEY].assign(outcome=outcomes), on=_KEY, validate="many_to_one")


def _profile(
    head: dict[str, str], values: Float[np.ndarray, "question depth"], images: Sequence[object]
) -> list[dict[str, object]]:
    if len(set(images)) < 2:
        return []
    rows = []
    for depth, column in enumerate(values.T):
        mean = cluster_interval(image_totals(np.stack([column, np.ones(len(column))], axis=-1), images))
        ends = {"estimate": mean.estimate, "ci_low": mean.low, "ci_high": mean.high}
        rows.append({**head, "depth": depth, **ends, "n_images": mean.n_images, "n_questions": len(column)})
    return rows


def _changes(
    head: dict[str, str], values: Float[np.ndarray, "question depth"], images: Sequence[object]
) -> list[dict[str, object]]:
    if len(set(images)) < 2:
        return []
    means = [clustered_mean(column, images) for column in values.T]
    adjusted = holm([mean.p_value for mean in means])
    return [
        {**head, "depth": depth, **mean.to_row(), "p_holm": float(p)}
        for depth, (mean, p) in enumerate(zip(means, adjusted, strict=True))
    ]


def _decided(before: pd.DataFrame) -> pd.DataFrame:
    """From which depth on the questions answered yes lie apart from those answered no, by label."""
    reading, images = stack_column(before, "reading"), before.index.get_level_values("image_id").tolist()
    rows = []
    for objects, (yes, no) in DECISIONS.items():
        strata = before["outcome"].map({yes: 0, no: 1}).fillna(-1).to_numpy(dtype=int)
        if not ((strata == 0).any() and (strata == 1).any()):
            continue
        gaps = [stratum_contrast(strata, column, images, (0, 1)).interval for column in reading.T]
        is_open = np.flatnonzero([not gap.low > 0 for gap in gaps])
        depth = float(is_open[-1] + 1) if len(is_open) else 0.0
        ends = {"estimate": gaps[-1].estimate, "ci_low": gaps[-1].low, "ci_high": gaps[-1].high}
        rows.append({"objects": objects, "depth": depth if depth < len(gaps) else np.nan} | ends)
    return pd.DataFrame(rows, columns=["objects", "depth", "estimate", "ci_low", "ci_high"])


def _findings(
    before: pd.DataFrame, final: dict[str, np.ndarray], baseline: str, treated: str, control: str | None
) -> tuple[PredictionResult, ...]:
    changes = {name: values - final[baseline] for name, values in final.items() if name != baseline}
    labels = {f"{name}, change of the final logit difference": change for name, change in changes.items()}
    if control in changes and control != treated:
        labels[f"{treated} in excess of {control}"] = changes[treated] - changes[str(control)]
    found = (_selectivity(before, change, label) for label, change in labels.items())
    return tuple(result for result in found if result is not None)


def _selectivity(before: pd.DataFrame, change: np.ndarray, label: str) -> PredictionResult | None:
    strata = before["outcome"].map({"false yes": 0, "right yes": 1}).fillna(-1).to_numpy(dtype=int)
    images = before.index.get_level_values("image_id").tolist()
    if not ((strata == 0).any() and (strata == 1).any()):
        return None
    contrast = stratum_contrast(strata, change, images, (0, 1))
    return conclude_causal(
        "selectivity",
        contrast.interval,
        contrast.p_value,
        contrast.n_questions,
        estimator=label,
        caveats=_CAVEATS,
    )
