"""What became of one claim of the paper: its number, ours, and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from scr_lens.analysis.interval import Interval
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.errors import DataError
from scr_lens.evidence import Evidence
from scr_lens.report.disclosures import CLAIM_DISCLOSURES

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
DESCRIBED, NOT_MEASURED = "described", "not measured"
"""Outcomes beside the verdicts: a number without a rule, and no number."""


@dataclass(frozen=True)
class Unit:
    """How a number is printed.

    Attributes:
        suffix: What follows the number.
        factor: What the number is multiplied by first.
        digits: Decimals.
        signed: Whether a plus sign is printed.
    """

    suffix: str = ""
    factor: float = 1.0
    digits: int = 3
    signed: bool = False

    def show(self, value: float) -> str:
        """One number without its suffix; an en dash when it is not finite."""
        if not np.isfinite(value):
            return DASH
        text = f"{self.factor * value:{'+' if self.signed else ''}.{self.digits}f}"
        is_zero = float(text) == 0
        return (text.lstrip("+-") if is_zero else text).replace("-", MINUS)

    def interval(self, value: float, low: float, high: float) -> str:
        """A number with its interval and suffix."""
        shown = self.show(value)
        if np.isfinite(low) and np.isfinite(high):
            shown += f" [{self.show(low)}, {self.show(high)}]"
        return shown + (f" {self.suffix}" if self.suffix else "")


R = Unit("", 1, 3)
PERCENT = Unit("%", 100, 1)
POINTS = Unit("pp", 100, 1, signed=True)
CIDER_POINTS = Unit("points", 1, 1, signed=True)
NATS = Unit("nats", 1, 3, signed=True)
GAIN = Unit("%", 100, 1, signed=True)
TIMES = Unit("times", 1, 3)


@dataclass(frozen=True, kw_only=True)
class ClaimResult:
    """One claim of the paper next to what was measured.

    Attributes:
        claim: What the paper says, in words.
        paper: The paper's number as text; an en dash when it gives none.
        unit: How numbers are printed.
        outcome: A verdict, "described" or "not measured".
        estimate: Our number; NaN when there is none.
        low: Lower end of its 95% interval; NaN when there is none.
        high: Upper end.
        n_images: Images behind it.
        n_questions: Questions (captions, samples) behind it.
        detectable: Value that this sample size finds with 80% power; NaN when not defined.
        rule: The fixed rule in words; empty without one.
        how: Condition, estimator or method of the number.
        caveats: What a reader must know before quoting it.
        prediction: The tested result behind a verdict, for the correction over models.
    """

    claim: str
    paper: str
    unit: Unit
    outcome: str
    estimate: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    n_images: int = 0
    n_questions: int = 0
    detectable: float = float("nan")
    rule: str = ""
    how: str = ""
    caveats: tuple[str, ...] = field(default=())
    prediction: PredictionResult | None = None

    @property
    def measured(self) -> str:
        """Our number with its interval, as text."""
        if self.outcome == NOT_MEASURED:
            return NOT_MEASURED
        return self.unit.interval(self.estimate, self.low, self.high)

    @property
    def detectable_text(self) -> str:
        """The detectable effect, as text."""
        shown = self.unit.show(self.detectable)
        return shown if shown == DASH or not self.unit.suffix else f"{shown} {self.unit.suffix}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of the paper and how it is tested.

    Attributes:
        id: Short name, unique.
        section: Part of the report.
        claim: What the paper says, in words.
        paper: The paper's number as text.
        unit: How numbers are printed.
        test: From evidence to a number or a verdict; raises DataError when it cannot be tested.
    """

    id: str
    section: str
    claim: str
    paper: str
    unit: Unit
    test: Callable[[Evidence], PredictionResult | Described] = field(repr=False)

    def assess(self, evidence: Evidence) -> ClaimResult:
        """Test the claim.

        Args:
            evidence: What is stored about the model.

        Returns:
            The result; "not measured" with the reason as its caveat when the evidence is missing or does not
            allow the test.
        """
        base = ClaimResult(claim=self.claim, paper=self.paper, unit=self.unit, outcome=NOT_MEASURED)
        try:
            found = self.test(evidence)
        except DataError as error:
            return replace(base, caveats=(str(error),))
        later = CLAIM_DISCLOSURES.get(self.id, ())
        if isinstance(found, PredictionResult):
            return with_prediction(base, replace(found, caveats=(*found.caveats, *later)) if later else found)
        return replace(
            base,
            outcome=DESCRIBED,
            estimate=found.estimate,
            low=found.low,
            high=found.high,
            n_images=found.n_images,
            n_questions=found.n_questions,
            how=found.how,
            caveats=(*found.caveats, *later),
        )


@dataclass(frozen=True, kw_only=True)
class Described:
    """A number that no rule judges.

    Attributes:
        estimate: The number.
        low: Lower end of its interval; NaN without one.
        high: Upper end.
        n_images: Images behind it.
        n_questions: Questions behind it.
        how: Condition or method.
        caveats: What a reader must know.
    """

    estimate: float
    low: float = float("nan")
    high: float = float("nan")
    n_images: int = 0
    n_questions: int = 0
    how: str = ""
    caveats: tuple[str, ...] = ()

    @classmethod
    def of(cls, interval: Interval, n_questions: int, how: str, *caveats: str) -> Described:
        """From an interval."""
        return cls(
            estimate=interval.estimate,
            low=interval.low,
            high=interval.high,
            n_images=interval.n_images,
            n_questions=n_questions,
            how=how,
            caveats=caveats,
        )


def with_prediction(base: ClaimResult, found: PredictionResult) -> ClaimResult:
    """Put a tested result behind a claim.

    Args:
        base: The claim with the paper's number and unit.
        found: The result of its test.

    Returns:
        The claim with number, interval, verdict and caveats of the result.
    """
    return replace(
        base,
        outcome=found.verdict,
        estimate=found.estimate,
        low=found.ci_low,
        high=found.ci_high,
        n_images=found.n_images,
        n_questions=found.n_questions,
        detectable=found.detectable_effect,
        rule=found.rule,
        how=found.estimator,
        caveats=found.caveats,
        prediction=found,
    )
