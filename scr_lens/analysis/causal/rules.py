"""When a causal claim counts as supported: the rules, and how a result is built from one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from scr_lens.analysis.interval import Interval
from scr_lens.analysis.power import detectable_correlation, detectable_effect
from scr_lens.analysis.unchanged import NONE_CHANGED, widened
from scr_lens.analysis.verdict import PredictionResult, VerdictRule, decide
from scr_lens.errors import DataError, unknown_name

LEAST_IMAGES = 2
_RULES = (
    VerdictRule(
        name="credit proxy",
        claim="a cheap estimator predicts which patches the answer depends on",
        quantity="Fisher mean of Spearman's rho between estimator and |ablation credit| over patches",
        sign=1,
        threshold=0.5,
        relevant=0.5,
        unit="(rho)",
    ),
    VerdictRule(
        name="entropy effect",
        claim="raising the entropy of credit lowers hallucination",
        quantity="change of p(yes) on absent objects per standard deviation of entropy, set by an instrument",
        sign=-1,
        threshold=0.0,
        relevant=-0.01,
        unit="(probability)",
    ),
    VerdictRule(
        name="scene prior",
        claim="a false yes is driven by what the background makes likely",
        quantity="rate of false yes with a background that predicts the object minus with one that does not",
        sign=1,
        threshold=0.0,
        relevant=0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="SCR on prior",
        claim="SCR weakens the influence of the background on false yes",
        quantity="difference of the scene prior's effect, SCR minus vanilla",
        sign=-1,
        threshold=0.0,
        relevant=-0.01,
        unit="(rate)",
    ),
    VerdictRule(
        name="selectivity",
        claim="SCR moves false yes towards no more than it moves right yes",
        quantity="change of the final yes-minus-no logit on false yes minus that on right yes",
        sign=-1,
        threshold=0.0,
        relevant=-0.1,
        unit="(logits)",
    ),
)
_RATES: Mapping[str, int] = MappingProxyType({"scene prior": 1, "SCR on prior": 2})
"""Rules about rates, and by how much one image can change them: twice as much for a difference of
differences. Where no image changed at all, their interval is the exact bound, as for the paper's claims."""
CAUSAL_RULES: Mapping[str, VerdictRule] = MappingProxyType({rule.name: rule for rule in _RULES})


def conclude_causal(
    name: str,
    interval: Interval,
    p_value: float,
    n_questions: int,
    *,
    estimator: str,
    caveats: Sequence[str] = (),
) -> PredictionResult:
    """Build a result and let its rule give the verdict.

    Args:
        name: One of `CAUSAL_RULES`.
        interval: Image-clustered 95% interval.
        p_value: Two-sided p-value of the rule's threshold.
        n_questions: Questions behind it.
        estimator: What exactly was estimated.
        caveats: What a reader must know.

    Returns:
        The result with its verdict; `paper_value` is None, the paper has no such test.

    Raises:
        DataError: If the name is unknown.
    """
    if name not in CAUSAL_RULES:
        raise DataError(unknown_name("causal claim", name, CAUSAL_RULES))
    rule = CAUSAL_RULES[name]
    if name in _RATES:
        interval = _stretched(widened(interval), _RATES[name])
    return PredictionResult(
        name=name,
        estimate=interval.estimate,
        ci_low=interval.low,
        ci_high=interval.high,
        p_value=p_value,
        n_images=interval.n_images,
        n_questions=n_questions,
        estimator=estimator,
        unit=rule.unit.strip("()"),
        paper_value=None,
        verdict=decide(rule, interval.low, interval.high),
        rule=str(rule),
        detectable_effect=_detectable(rule, interval),
        caveats=tuple(caveats),
    )


def _stretched(interval: Interval, factor: int) -> Interval:
    """The exact bound of quantities that one image can change by more than 1; others unchanged."""
    if interval.method != NONE_CHANGED:
        return interval
    return replace(interval, low=factor * interval.low, high=factor * interval.high, se=factor * interval.se)


def _detectable(rule: VerdictRule, interval: Interval) -> float:
    if interval.n_images < LEAST_IMAGES:
        return float("nan")
    if rule.name == "credit proxy":
        return detectable_correlation(interval.se, interval.n_images, null=rule.threshold)
    return rule.threshold + rule.sign * detectable_effect(interval.se, interval.n_images)
