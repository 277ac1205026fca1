"""Findings of the causal tests as text: one by one, and side by side over models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scr_lens.analysis.verdict import PredictionResult, correct_for_models
from scr_lens.report.causal import CausalPart
from scr_lens.report.claim import DASH, Unit
from scr_lens.report.disclosures import mark
from scr_lens.report.document import Paragraph, Part, table_of

Causal = Mapping[str, Sequence[CausalPart]]
"""Causal tests per model."""

_LAYERS = re.compile(r", mean over layers [\d, ]+$")
"""End of an estimator's name that differs between models of different depth."""


class Finding(NamedTuple):
    """What tells a finding from others, whatever the model.

    Attributes:
        test: Name of the causal test.
        name: Name of the finding and of its rule.
        estimator: How it was estimated, without the layers of one model.
    """

    test: str
    name: str
    estimator: str

    def __str__(self) -> str:
        """The finding in a few words, with a mark where its rule was partly set after data."""
        return f"{self.name} ({self.estimator}){mark(self.test)}"


def numbers(found: PredictionResult) -> str:
    """Estimate and interval of a finding; an en dash where it was not estimated."""
    if np.isnan(found.estimate):
        return DASH
    return Unit(found.unit).interval(found.estimate, found.ci_low, found.ci_high)


def corrected_findings(causal: Causal) -> dict[Finding, dict[str, PredictionResult]]:
    """Every finding on every model, corrected for being tested on several models as the claims are.

    Args:
        causal: Causal tests of all models.

    Returns:
        Result per model and finding, in the order of the tests. P-values are Holm-adjusted over the models
        on which the finding was estimated; "supported" becomes "inconclusive" where it no longer holds.
    """
    found: dict[Finding, dict[str, PredictionResult]] = {}
    for model, parts in causal.items():
        for part in parts:
            for result in part.outcome.findings if part.outcome else ():
                stem = _LAYERS.sub("", result.estimator)
                found.setdefault(Finding(part.name, result.name, stem), {})[model] = result
    order = list(dict.fromkeys(part.name for parts in causal.values() for part in parts))
    return {key: _corrected(found[key]) for key in sorted(found, key=lambda key: order.index(key.test))}


def _corrected(results: Mapping[str, PredictionResult]) -> dict[str, PredictionResult]:
    tested = {m: r for m, r in results.items() if np.isfinite(r.estimate) and np.isfinite(r.p_value)}
    return {**results, **(correct_for_models(tested) if len(tested) > 1 else {})}


def findings_across(causal: Causal, models: Sequence[str]) -> list[Part]:
    """The section of the report across models.

    Args:
        causal: Causal tests of all models.
        models: Columns of the table.

    Returns:
        A table with one row per finding and one column per model, and how to read it.
    """
    found = corrected_findings(causal)
    if not found:
        return [Paragraph("not measured: the causal tests were not run on any model")]
    text = (
        "A cell holds the estimate, its image-clustered 95% interval and the verdict; p-values of one "
        "finding on several models are corrected by Holm. Credit proxies are means over layers of the "
        "model's own, which its report names."
    )
    rows = [
        (key.test, key, *(_cell(results.get(model)) for model in models)) for key, results in found.items()
    ]
    return [Paragraph(text), table_of(rows, ("test", "finding", *models))]


def _cell(found: PredictionResult | None) -> str:
    if found is None:
        return "not measured"
    return "not estimated" if np.isnan(found.estimate) else f"{numbers(found)}: {found.verdict}"
