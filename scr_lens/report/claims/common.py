"""What several claims share: paired contrasts with a rule, and the evidence they need."""

from collections.abc import Sequence

import pandas as pd

from scr_lens.analysis.conditions import MissingEvidenceError, main_split, require_conditions
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.power import detectable_effect
from scr_lens.analysis.predictions.overall_gain import overall_gain
from scr_lens.analysis.rate_reduction import gain_of
from scr_lens.analysis.records import absent_questions, pair_conditions
from scr_lens.analysis.unchanged import widened
from scr_lens.analysis.verdict import PredictionResult, conclude

_NOT_RATES = ("CIDEr", "norm-gain")


def contrast(
    frame: pd.DataFrame, rule: str, reference: str, treated: str, *, split: str = "adversarial"
) -> PredictionResult:
    """Test the hallucination rate of one condition minus that of another, on the same absent objects.

    Args:
        frame: Records of one model.
        rule: Rule of the verdict.
        reference: Condition that should hallucinate more if the claim holds.
        treated: Condition that should hallucinate less.
        split: Split of the benchmark; all questions where there is no such split.

    Returns:
        HR(reference) - HR(treated) in [-1, 1] with the rule's verdict.

    Raises:
        MissingEvidenceError: If a condition is missing.
    """
    require_conditions(frame, reference, treated)
    rows = absent_questions(pair_conditions(main_split(frame, split), reference, treated))
    return overall_gain(gain_of(rows), rows["image_id"].tolist(), name=rule)


def judged(
    rule: str,
    interval: Interval,
    n_questions: int,
    how: str,
    *,
    p_value: float = float("nan"),
    caveats: Sequence[str] = (),
    threshold: float = 0.0,
) -> PredictionResult:
    """Let a rule judge an interval.

    Args:
        rule: Name of the rule.
        interval: Estimate and ends.
        n_questions: Questions behind it.
        how: How the estimate was made.
        p_value: Two-sided p-value of the rule's threshold; NaN where no test was made.
        caveats: What a reader must know.
        threshold: Value that the detectable effect is added to.

    Returns:
        The result.
    """
    if rule not in _NOT_RATES:
        interval = widened(interval)
    return conclude(
        rule,
        interval=(interval.estimate, interval.low, interval.high),
        p_value=p_value,
        size=(interval.n_images, n_questions),
        estimator=how,
        detectable_effect=threshold + detectable_effect(interval.se, interval.n_images),
        caveats=caveats,
    )


def needed(table: pd.DataFrame | None, what: str) -> pd.DataFrame:
    """A table that a claim cannot do without.

    Args:
        table: The table, or None.
        what: What it is, for the message.

    Returns:
        The table.

    Raises:
        MissingEvidenceError: If it is missing.
    """
    if table is None:
        raise MissingEvidenceError(f"needs {what}: run the whole experiment (`scr-lens report --all`)")
    return table
