"""Verdicts: the one place that says when a claim of the paper counts as supported.

The rules (`analysis.rules`) are constants, fixed before any data: each names the claimed direction, the value
the effect must clear and the smallest effect that would matter. `decide` applies them to a 95% interval and
nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from scr_lens.analysis.multiplicity import holm
from scr_lens.analysis.power import ALPHA
from scr_lens.analysis.rules import RULES, VerdictRule, rule_of
from scr_lens.errors import DataError

__all__ = [
    "RULES",
    "PredictionResult",
    "Verdict",
    "VerdictRule",
    "conclude",
    "correct_for_models",
    "decide",
    "rule_of",
    "rules_table",
]

Verdict = Literal["supported", "not supported", "inconclusive"]


def decide(rule: VerdictRule, ci_low: float, ci_high: float) -> Verdict:
    """Apply a rule to an interval.

    Args:
        rule: The rule.
        ci_low: Lower end of the 95% interval.
        ci_high: Upper end.

    Returns:
        "not supported" when the interval does not reach the smallest relevant value (a zero, opposite or
        negligible effect), else "supported" when it clears the threshold, else "inconclusive" (also for NaN
        ends).

    Raises:
        DataError: If the ends are in the wrong order.

    Examples:
        >>> [decide(rule_of("SCR"), low, high) for low, high in ((0.02, 0.05), (-0.02, 0.05), (0.001, 0.005))]
        ['supported', 'inconclusive', 'not supported']
    """
    if np.isnan(ci_low) or np.isnan(ci_high):
        return "inconclusive"
    if ci_low > ci_high:
        raise DataError(f"interval [{ci_low}, {ci_high}]: expected its lower end first")
    near, far = (ci_low, ci_high) if rule.sign > 0 else (-ci_high, -ci_low)
    if far < rule.sign * rule.relevant:
        return "not supported"
    return "supported" if near > rule.sign * rule.threshold else "inconclusive"


@dataclass(frozen=True, kw_only=True)
class PredictionResult:
    """One claim of the paper against the data.

    Attributes:
        name: Name of the claim and of its rule ("EF1", "P1", ...).
        estimate: Point estimate.
        ci_low: Lower end of the image-clustered 95% interval.
        ci_high: Upper end.
        p_value: Two-sided p-value of the rule's threshold.
        n_images: Images behind it.
        n_questions: Questions (samples) behind it.
        estimator: Credit estimator or measure, and how the estimate was made.
        unit: Unit of the estimate.
        paper_value: What the paper says; None when it gives no number.
        verdict: By `rule`.
        rule: The rule in words.
        detectable_effect: Value of the estimate that this sample size finds with 80% power.
        caveats: What a reader must know before quoting it.
    """

    name: str
    estimate: float
    ci_low: float
    ci_high: float
    p_value: float
    n_images: int
    n_questions: int
    estimator: str
    unit: str
    paper_value: float | None
    verdict: Verdict
    rule: str
    detectable_effect: float
    caveats: tuple[str, ...] = field(default=())

    def to_row(self) -> dict[str, object]:
        """The result as one table row, caveats joined by semicolons."""
        return asdict(self) | {"caveats": "; ".join(self.caveats)}


def conclude(
    name: str,
    *,
    interval: tuple[float, float, float],
    p_value: float,
    size: tuple[int, int],
    estimator: str,
    detectable_effect: float,
    paper_value: float | None = None,
    caveats: Sequence[str] = (),
) -> PredictionResult:
    """Build a result and let its rule give the verdict.

    Args:
        name: One of `RULES`.
        interval: Estimate, lower and upper end.
        p_value: Two-sided p-value of the rule's threshold.
        size: Number of images and of questions.
        estimator: How the estimate was made.
        detectable_effect: Value found with 80% power at this size.
        paper_value: The paper's number.
        caveats: What a reader must know.

    Returns:
        The result with its verdict.

    Raises:
        DataError: If the name is unknown.
    """
    rule = rule_of(name)
    estimate, ci_low, ci_high = interval
    return PredictionResult(
        name=name,
        estimate=estimate,
        ci_low=ci_low,
        ci_high=ci_high,
        p_value=p_value,
        n_images=size[0],
        n_questions=size[1],
        estimator=estimator,
        unit=rule.unit.strip("()"),
        paper_value=paper_value,
        verdict=decide(rule, ci_low, ci_high),
        rule=str(rule),
        detectable_effect=detectable_effect,
        caveats=tuple(caveats),
    )


def correct_for_models(results: Mapping[str, PredictionResult]) -> dict[str, PredictionResult]:
    """Holm correction of one claim tested on several models.

    A "supported" verdict whose adjusted p-value exceeds 0.05 becomes "inconclusive"; other verdicts stay.

    Args:
        results: Result per model, all of the same claim.

    Returns:
        The same results with adjusted p-values and, where it applies, the weaker verdict and a caveat.

    Raises:
        DataError: If the results belong to different claims.
    """
    names = {result.name for result in results.values()}
    if len(names) > 1:
        raise DataError(
            f"claims {sorted(names)}: expected results of one claim; correct each claim by itself"
        )
    adjusted = holm([result.p_value for result in results.values()])
    note = f"p-value Holm-adjusted over {len(results)} models"
    corrected = {}
    for (model, result), p in zip(results.items(), adjusted, strict=True):
        is_lost = result.verdict == "supported" and p > ALPHA
        verdict: Verdict = "inconclusive" if is_lost else result.verdict
        corrected[model] = replace(result, p_value=float(p), verdict=verdict, caveats=(*result.caveats, note))
    return corrected


def rules_table() -> pd.DataFrame:
    """All rules as a printable table.

    Returns:
        One row per claim: name, claim, quantity, threshold, relevant, unit, rule (the sentence).
    """
    rows = [asdict(rule) | {"rule": str(rule)} for rule in RULES.values()]
    return pd.DataFrame(rows).drop(columns="sign")
