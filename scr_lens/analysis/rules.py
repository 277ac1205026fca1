"""The fixed rules of the verdicts: for every claim, what is estimated and which values count."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from scr_lens.errors import DataError, unknown_name


@dataclass(frozen=True, kw_only=True)
class VerdictRule:
    """When a claim counts as supported.

    Attributes:
        name: Short name of the claim.
        claim: The claim in words.
        quantity: What is estimated.
        sign: +1 when the claim is a large value, -1 when it is a small (negative) one.
        threshold: Value the whole interval must clear in the claimed direction.
        relevant: Smallest value that matters; an interval that does not reach it refutes the claim.
        unit: Unit of the quantity.
    """

    name: str
    claim: str
    quantity: str
    sign: Literal[1, -1]
    threshold: float
    relevant: float
    unit: str

    def __post_init__(self) -> None:
        """Check that the smallest relevant value lies on the claimed side of the threshold."""
        if self.sign * (self.relevant - self.threshold) < 0:
            raise DataError(
                f"rule {self.name}: relevant={self.relevant} must not lie before threshold={self.threshold}"
            )

    def __str__(self) -> str:
        """The rule as one printable sentence."""
        side, beyond = ("above", ">=") if self.sign > 0 else ("below", "<=")
        goal = f"{side} {self.threshold:g} and reaches {beyond} {self.relevant:g} {self.unit}"
        return (
            f"{self.name}: supported if the 95% interval of the {self.quantity} lies {goal}; "
            f"not supported if it does not reach {self.relevant:g}; otherwise inconclusive"
        )


_RULES = (
    VerdictRule(
        name="EF1",
        claim="the norm of a patch is a useful proxy of its credit in early layers",
        quantity="Fisher mean of Pearson r between norm and credit",
        sign=1,
        threshold=0.5,
        relevant=0.5,
        unit="(r)",
    ),
    VerdictRule(
        name="P1",
        claim="low credit entropy goes with hallucination",
        quantity="per-question point-biserial r between entropy and false yes",
        sign=-1,
        threshold=0.0,
        relevant=-0.1,
        unit="(r)",
    ),
    VerdictRule(
        name="P2",
        claim="SCR helps most where entropy is low",
        quantity="reduction of the hallucination rate in the lowest minus in the highest entropy stratum",
        sign=1,
        threshold=0.0,
        relevant=0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="P3",
        claim="SCR helps most where neighboring patches are alike",
        quantity="reduction of the hallucination rate in the most minus in the least autocorrelated stratum",
        sign=1,
        threshold=0.0,
        relevant=0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="P4",
        claim="the gain is an inverted U in lambda",
        quantity="weaker of the rise before and the fall after the breakpoint (two-lines test)",
        sign=1,
        threshold=0.0,
        relevant=0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="SCR",
        claim="SCR lowers the hallucination rate",
        quantity="reduction of the hallucination rate by SCR",
        sign=1,
        threshold=0.0,
        relevant=0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="guidance",
        claim="attention-guided sources help more than random ones",
        quantity="reduction of the hallucination rate by SCR minus that by Uniform-Smooth",
        sign=1,
        threshold=0.0,
        relevant=0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="accuracy",
        claim="SCR raises accuracy",
        quantity="accuracy under SCR minus accuracy of the untouched model",
        sign=1,
        threshold=0.0,
        relevant=0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="CIDEr",
        claim="SCR keeps CIDEr within 0.8 points",
        quantity="change of CIDEr x 100 by SCR",
        sign=1,
        threshold=-0.8,
        relevant=-0.8,
        unit="(points)",
    ),
    VerdictRule(
        name="CHAIR",
        claim="SCR lowers the share of captions and mentions that name an absent object",
        quantity="reduction of CHAIR by SCR",
        sign=1,
        threshold=0.0,
        relevant=0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="topology",
        claim="8-connected neighbors serve better than another topology",
        quantity="hallucination rate under the other topology minus that under 8-connected neighbors",
        sign=1,
        threshold=0.0,
        relevant=0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="noise",
        claim="Gaussian noise of equal norm raises the hallucination rate",
        quantity="hallucination rate under noise minus that of the untouched model",
        sign=1,
        threshold=0.0,
        relevant=0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="signal",
        claim="the content of the sources matters: SCR hallucinates less than a content-free control",
        quantity="hallucination rate under the control minus that under SCR",
        sign=1,
        threshold=0.0,
        relevant=0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="heads",
        claim="20% of the heads keep 95% of the benefit",
        quantity="reduction with 20% of the heads minus 0.95 times the reduction with all",
        sign=1,
        threshold=-0.01,
        relevant=-0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="optimum",
        claim="no other tested setting hallucinates less than the paper's",
        quantity="hallucination rate under the best other setting minus under the paper's (simultaneous)",
        sign=1,
        threshold=0.0,
        relevant=0.0,
        unit="(rate)",
    ),
    VerdictRule(
        name="norm-gain",
        claim="the total norm of the image tokens is 48-56% larger at the last layer of the range",
        quantity="ratio of the total norm after and before, minus 1",
        sign=1,
        threshold=0.0,
        relevant=0.48,
        unit="(ratio)",
    ),
    VerdictRule(
        name="flips",
        claim="most of the changed answers are corrections (70%)",
        quantity="share of corrections among answers that turned right or wrong",
        sign=1,
        threshold=0.5,
        relevant=0.7,
        unit="(share)",
    ),
    VerdictRule(
        name="failures",
        claim="errors under SCR are more frequent where the pattern is",
        quantity="error rate of questions with the pattern minus without",
        sign=1,
        threshold=0.0,
        relevant=0.01,
        unit="(rate)",
    ),
)
RULES: Mapping[str, VerdictRule] = MappingProxyType({rule.name: rule for rule in _RULES})


def rule_of(name: str) -> VerdictRule:
    """The fixed rule of a claim.

    Args:
        name: One of `RULES`.

    Returns:
        Its rule.

    Raises:
        DataError: If no claim has this name.
    """
    if name not in RULES:
        raise DataError(unknown_name("claim", name, RULES))
    return RULES[name]
