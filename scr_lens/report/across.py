"""The report across models: every claim on every model, verdicts corrected by Holm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from scr_lens.analysis.verdict import PredictionResult, correct_for_models
from scr_lens.report.claim import DESCRIBED, NOT_MEASURED, ClaimResult, with_prediction
from scr_lens.report.claims.registry import SECTIONS, claims
from scr_lens.report.disclosures import all_disclosures
from scr_lens.report.document import Bullets, Document, Heading, Link, Paragraph, Part, table_of
from scr_lens.report.findings import Causal, findings_across

Results = Mapping[str, Mapping[str, ClaimResult]]
"""Result per claim, per model."""

_VERDICTS = ("supported", "not supported", "inconclusive")


def corrected(results: Results) -> dict[str, dict[str, ClaimResult]]:
    """Correct every claim for being tested on several models.

    Args:
        results: Results of all models.

    Returns:
        The same with Holm-adjusted p-values; "supported" becomes "inconclusive" where it no longer holds.
        Claims without a test are left alone.
    """
    adjusted = {model: dict(found) for model, found in results.items()}
    for claim in claims():
        predictions = {
            model: found[claim.id].prediction
            for model, found in results.items()
            if _has_test(found[claim.id])
        }
        usable: dict[str, PredictionResult] = {m: p for m, p in predictions.items() if p is not None}
        for model, prediction in correct_for_models(usable).items() if len(usable) > 1 else ():
            before = adjusted[model][claim.id]
            adjusted[model][claim.id] = replace(with_prediction(before, prediction), how=before.how)
    return adjusted


def build_index(
    results: Results, notes: Mapping[str, str], causal: Causal = MappingProxyType({})
) -> Document:
    """Put the report across models together.

    Args:
        results: Results of all models, before the correction.
        notes: What a reader of a model's answers has to know, by model.
        causal: Causal tests of the models.

    Returns:
        The report.
    """
    found = corrected(results)
    models = sorted(found)
    parts: list[Part] = [Heading("Summary"), *_summary(found, notes)]
    for section, title in SECTIONS.items():
        chosen = [claim for claim in claims() if claim.section == section]
        verdicts = [
            (claim.claim, claim.paper, *(_cell(found[model][claim.id]) for model in models))
            for claim in chosen
        ]
        parts += [Heading(title), table_of(verdicts, ("claim", "paper", *models), "paper")]
    parts += [Heading("Causal tests (beyond the paper)"), *findings_across(causal, models)]
    parts += [Heading("Decided or changed after data had been seen"), Bullets(all_disclosures())]
    parts += [Heading("Reports of the models")]
    parts += [Link(f"{model}: full report with figures", f"{model}/report") for model in models]
    return Document("Every claim of the paper, on every model", tuple(parts))


def _summary(found: Results, notes: Mapping[str, str]) -> list[Part]:
    counted = []
    for claim in claims():
        outcomes = [results[claim.id].outcome for results in found.values()]
        if set(_VERDICTS) & set(outcomes):
            text = ", ".join(
                f"{name} on {outcomes.count(name)}"
                for name in (*_VERDICTS, DESCRIBED, NOT_MEASURED)
                if name in outcomes
            )
            counted.append(f"{claim.claim}: {text} of {_models(len(found))}")
    intro = (
        f"{_models(len(found))}. Verdicts follow from image-clustered 95% intervals by rules fixed before "
        "the data, except for what is listed at the end as decided later; p-values of one claim on several "
        "models are corrected by Holm."
    )
    warnings = tuple(dict.fromkeys(text for text in notes.values() if text))
    return [Paragraph(intro), *(Paragraph(text) for text in warnings), Bullets(tuple(counted))]


def _models(count: int) -> str:
    return f"{count} model" + "s" * (count != 1)


def _cell(result: ClaimResult) -> str:
    return result.measured if result.measured == result.outcome else f"{result.measured}: {result.outcome}"


def _has_test(result: ClaimResult) -> bool:
    return result.prediction is not None and bool(np.isfinite(result.prediction.p_value))
