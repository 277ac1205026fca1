"""Every claim of the paper, in the order of a report: the sentence from claims.csv, the test from here."""

import csv
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import resources
from types import MappingProxyType

from scr_lens.analysis.verdict import PredictionResult
from scr_lens.evidence import Evidence
from scr_lens.evidence.evidence import MAP_ESTIMATOR
from scr_lens.report.claim import (
    CIDER_POINTS,
    GAIN,
    NATS,
    PERCENT,
    POINTS,
    TIMES,
    Claim,
    ClaimResult,
    Described,
    R,
    Unit,
)
from scr_lens.report.claims import ablations, benefit, captions, inside, predictions
from scr_lens.report.claims.paper_numbers import baselines, paper_number

SECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "mechanism": "Credit, entropy and gain (EF1, P1-P4)",
        "benefit": "Hallucination rate and accuracy (Tables 1-4)",
        "captions": "Captions (Tables 1, 2 and 5)",
        "ablations": "Ablations and controls (Sec. 6.1)",
        "inside": "Norm gain and Proposition (Sec. 3)",
        "errors": "Errors and changed answers (Sec. 6.2)",
        "cost": "Cost (Sec. 5.3, Table 4)",
    }
)
"""Heading of every section, in the order of a report."""

UNITS: Mapping[str, Unit] = MappingProxyType(
    {
        "r": R,
        "pp": POINTS,
        "percent": PERCENT,
        "points": CIDER_POINTS,
        "nats": NATS,
        "gain": GAIN,
        "times": TIMES,
        "peak": Unit("", 1, 4),
    }
)

_adversarial = partial(benefit.reduction, split="adversarial")

_TESTS: Mapping[str, Callable[[Evidence], PredictionResult | Described]] = MappingProxyType(
    {
        "EF1-grad_norm": partial(predictions.ef1, estimator="grad_norm"),
        "EF1-grad_dot": partial(predictions.ef1, estimator="grad_dot"),
        "EF1-attention": partial(predictions.ef1, estimator="attention"),
        "EF1-map": partial(predictions.ef1, estimator=MAP_ESTIMATOR),
        "P1": partial(predictions.entropy_correlation, estimator="attention"),
        "P1-norm": partial(predictions.entropy_correlation, estimator="norm"),
        "P1-binned": predictions.binned_entropy_correlation,
        "P1-groups": predictions.entropy_groups,
        "P2": predictions.gain_by_entropy,
        "rho": predictions.autocorrelation,
        "P3": predictions.gain_by_autocorrelation,
        "P4": predictions.inverted_u,
        "SCR": _adversarial,
        "SCR-popular": partial(benefit.reduction, split="popular"),
        "SCR-random": partial(benefit.reduction, split="random"),
        "accuracy": benefit.accuracy_gain,
        "SCR-chosen": benefit.chosen,
        "uniform": partial(_adversarial, treated="uniform-smooth"),
        "one-pass": benefit.one_pass,
        **{f"against-{name}": partial(benefit.against, method=name) for name in baselines()},
        "CIDEr": captions.cider_change,
        "CHAIR-s": captions.chair_s,
        "CHAIR-i": captions.chair_i,
        "guidance": benefit.guidance,
        "topology-4": partial(ablations.topology, name="4"),
        "topology-radius-2": partial(ablations.topology, name="radius-2"),
        "noise": ablations.noise_harm,
        "noise-signal": partial(ablations.control, name="gaussian-noise"),
        "noise-entropy": partial(ablations.entropy_change, name="gaussian-noise"),
        "SCR-entropy": partial(ablations.entropy_change, name="scr"),
        "heads": ablations.heads,
        "best-lambda": partial(ablations.optimum, setting="lambda"),
        "best-K": partial(ablations.optimum, setting="n_sources"),
        "best-layers": partial(ablations.optimum, setting="layers"),
        "once": ablations.once,
        "scrambled": ablations.scrambled,
        "norm-only": partial(ablations.control, name="norm-only"),
        "identity": ablations.identity,
        "norm-gain": inside.norm_growth,
        "nominal-gain": inside.nominal_growth,
        "peak": inside.peak_bound,
        "errors-small": partial(inside.failure_excess, pattern="small"),
        "errors-edge": partial(inside.failure_excess, pattern="edge"),
        "errors-ambiguous": partial(inside.failure_excess, pattern="ambiguous"),
        "changed": inside.changed,
        "corrections": inside.corrections,
        "cost": inside.cost,
    }
)


@cache
def claims() -> tuple[Claim, ...]:
    """All claims.

    Returns:
        Claims with distinct ids, section by section.
    """
    with resources.files(__package__).joinpath("claims.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return tuple(
        Claim(
            id=row["id"],
            section=row["section"],
            claim=row["claim"],
            paper=paper_number(row["id"]),
            unit=UNITS[row["unit"]],
            test=_TESTS[row["id"]],
        )
        for row in rows
    )


def assess(evidence: Evidence) -> dict[str, ClaimResult]:
    """Test every claim.

    Args:
        evidence: What is stored about one model.

    Returns:
        Result per claim id, in the order of `claims`.
    """
    return {claim.id: claim.assess(evidence) for claim in claims()}
