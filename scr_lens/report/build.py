"""The report of one model: what was found, claim by claim, with figures, rules and provenance."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scr_lens.analysis.audit import audit_rows
from scr_lens.analysis.conditions import settings_by_condition
from scr_lens.analysis.verdict import PredictionResult, rules_table
from scr_lens.evidence import Comparison, Evidence
from scr_lens.figures.provenance import run_origin, versions
from scr_lens.paper import load
from scr_lens.report.causal import CausalPart
from scr_lens.report.claim import DASH, DESCRIBED, NOT_MEASURED, ClaimResult, R
from scr_lens.report.claims.registry import SECTIONS, claims
from scr_lens.report.disclosures import CAUSAL_DISCLOSURES, all_disclosures, mark
from scr_lens.report.document import (
    Bullets,
    Document,
    Heading,
    Paragraph,
    Part,
    Picture,
    TextTable,
    table_of,
)
from scr_lens.report.findings import numbers

VERDICTS = ("supported", "not supported", "inconclusive")

_FIGURES_OF: Mapping[str, tuple[str, ...]] = {
    "mechanism": ("c1-norm-credit", "p1-entropy", "figure-3", "p3-autocorrelation", "p4-strength"),
    "benefit": ("figure-2",),
    "ablations": ("figure-4a", "figure-4b", "figure-4c", "all-conditions"),
    "inside": ("c2-norm-gain", "proposition"),
    "errors": ("failures",),
}
_TABLES_OF: Mapping[str, tuple[str, ...]] = {
    "mechanism": ("table-6",),
    "benefit": ("table-1", "table-2", "table-3", "table-4"),
    "captions": ("table-5",),
    "cost": ("table-cost",),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """Everything drawn for a report.

    Attributes:
        pictures: Picture per figure id.
        tables: Table of texts per table id.
        missing: Per id that could not be drawn, what the run lacks.
    """

    pictures: Mapping[str, Picture]
    tables: Mapping[str, TextTable]
    missing: Mapping[str, str]


def build_report(
    evidence: Evidence,
    results: Mapping[str, ClaimResult],
    drawn: Drawn,
    causal: Sequence[CausalPart] = (),
    *,
    note: str = "",
) -> Document:
    """Put a report together.

    Args:
        evidence: What is stored about the model.
        results: Result per claim.
        drawn: Figures and tables.
        causal: Causal tests.
        note: What a reader of this model's answers has to know; empty for an ordinary model.

    Returns:
        The report; the same for the same evidence.
    """
    parts: list[Part] = [Heading("Summary"), *_summary(results, causal, note)]
    for section, title in SECTIONS.items():
        parts += [Heading(title), *_section(section, results, drawn)]
    parts += [Heading("Causal tests (beyond the paper)"), *_causal(causal, drawn)]
    parts += [Heading("How verdicts are made"), *_rules(), Heading("The paper against itself"), *_audit()]
    parts += [Heading("What was run"), *_provenance(evidence)]
    return Document(f"{evidence.name}: every claim of the paper, measured", tuple(parts))


def _summary(results: Mapping[str, ClaimResult], causal: Sequence[CausalPart], note: str) -> list[Part]:
    parts: list[Part] = [Paragraph(note)] if note else []
    counts = {name: sum(r.outcome == name for r in results.values()) for name in _outcomes()}
    listed = ", ".join(f"{count} {name}" for name, count in counts.items())
    parts.append(
        Paragraph(
            f"Of {len(results)} claims: {listed}. Every verdict follows from a 95% interval, clustered by "
            "image, by a rule that was fixed before the data, except for what 'How verdicts are made' lists "
            "as decided later; numbers are of this model only."
        )
    )
    titles = {
        "supported": "Found, as the paper says",
        "not supported": "Not found: an effect of the claimed kind and of relevant size is excluded",
        "inconclusive": "Open: the data allow both",
        DESCRIBED: "Measured without a verdict",
        NOT_MEASURED: "Not measured",
    }
    for outcome, title in titles.items():
        lines = tuple(_line(r) for r in results.values() if r.outcome == outcome)
        if lines:
            parts += [Heading(title, 3), Bullets(lines)]
    findings = tuple(
        _finding_line(f, part.name) for part in causal if part.outcome for f in part.outcome.findings
    )
    return [*parts, Heading("Causal tests", 3), Bullets(findings)] if findings else parts


def _outcomes() -> tuple[str, ...]:
    return (*VERDICTS, DESCRIBED, NOT_MEASURED)


def _line(result: ClaimResult) -> str:
    if result.outcome == NOT_MEASURED:
        return f"{result.claim}: {'; '.join(result.caveats)}"
    return f"{result.claim}: {result.measured} (paper: {result.paper})"


def _finding_line(found: PredictionResult, test: str) -> str:
    is_missing = np.isnan(found.estimate)
    shown = f"not estimated, {'; '.join(found.caveats)}" if is_missing else numbers(found)
    return f"{found.name} ({found.estimator}): {shown}, {found.verdict}{mark(test)}"


def _section(section: str, results: Mapping[str, ClaimResult], drawn: Drawn) -> list[Part]:
    chosen = {claim.id: results[claim.id] for claim in claims() if claim.section == section}
    rows = [
        (
            r.claim,
            r.paper,
            r.measured,
            _count(r.n_images),
            _count(r.n_questions),
            r.detectable_text,
            r.outcome,
        )
        for r in chosen.values()
    ]
    columns = ("claim", "paper", "measured", "images", "questions", "detectable", "verdict")
    parts: list[Part] = [table_of(rows, columns, "paper", "measured", "images", "questions", "detectable")]
    parts += _grouped("How", {name: (r.how,) if r.how else () for name, r in chosen.items()})
    parts += _grouped("Caveats", {name: r.caveats for name, r in chosen.items()})
    for entry in (*_FIGURES_OF.get(section, ()), *_TABLES_OF.get(section, ())):
        parts += _drawn(entry, drawn)
    return parts


def _grouped(title: str, texts: Mapping[str, Sequence[str]]) -> list[Part]:
    """Every text once, with the claims that it concerns."""
    concerned: dict[str, list[str]] = {}
    for name, lines in texts.items():
        for line in lines:
            concerned.setdefault(line, []).append(name)
    items = tuple(f"{line} ({', '.join(names)})" for line, names in concerned.items())
    return [Heading(title, 3), Bullets(items)] if items else []


def _count(number: int) -> str:
    return f"{number:,}" if number else DASH


def _drawn(entry: str, drawn: Drawn) -> list[Part]:
    if entry in drawn.pictures:
        return [drawn.pictures[entry]]
    if entry in drawn.tables:
        return [Heading(entry.replace("-", " ").capitalize(), 3), drawn.tables[entry]]
    return [Paragraph(f"{entry}: not drawn, {drawn.missing[entry]}")] if entry in drawn.missing else []


def _causal(causal: Sequence[CausalPart], drawn: Drawn) -> list[Part]:
    if not causal:
        return [Paragraph("not measured: the causal tests were not run on this model")]
    parts: list[Part] = []
    for part in causal:
        parts.append(Heading(f"{part.name}: {part.title}", 3))
        if part.outcome is None:
            parts.append(Paragraph(f"not measured: {part.missing}"))
            continue
        rows = [_finding_row(found) for found in part.outcome.findings]
        columns = (
            "finding",
            "how",
            "estimate",
            "95% interval",
            "images",
            "questions",
            "detectable",
            "verdict",
        )
        parts.append(table_of(rows, columns, *columns[2:7]))
        caveats = tuple(dict.fromkeys(c for found in part.outcome.findings for c in found.caveats))
        parts.append(Bullets((*CAUSAL_DISCLOSURES.get(part.name, ()), *part.outcome.remarks, *caveats)))
        parts += [
            picture for name, picture in drawn.pictures.items() if name.startswith(f"causal-{part.name}")
        ]
    return parts


def _finding_row(found: PredictionResult) -> tuple[str, ...]:
    return (
        found.name,
        found.estimator,
        f"{R.show(found.estimate)} {found.unit}" if np.isfinite(found.estimate) else DASH,
        f"[{R.show(found.ci_low)}, {R.show(found.ci_high)}]" if np.isfinite(found.ci_low) else DASH,
        f"{found.n_images:,}",
        f"{found.n_questions:,}",
        R.show(found.detectable_effect),
        found.verdict,
    )


def _rules() -> list[Part]:
    text = (
        "Intervals treat the image as the sampling unit. 'Detectable' is the value of the estimate that a "
        "sample of this size finds with 80% power. Where not a single image changed, the interval is that of "
        "no event in as many images (about 3.7 / n), not a point. Over several models, p-values are "
        "corrected by Holm in the report across models."
    )
    table = rules_table()
    rules = table_of(table[["name", "rule"]].to_numpy().tolist(), ("rule", "in words"))
    title = Heading("Decided or changed after data had been seen", 3)
    return [Paragraph(text), rules, title, Bullets(all_disclosures())]


def _audit() -> list[Part]:
    rows = [
        (row.topic, row.quantity, f"{row.value:,.{row.digits}f}", row.paper, row.finding)
        for row in audit_rows(load())
    ]
    text = "Computed from the paper's own tables and statements; docs/paper-audit.md says how to read them."
    return [Paragraph(text), table_of(rows, ("topic", "computed", "value", "the paper", "finding"), "value")]


def _provenance(evidence: Evidence) -> list[Part]:
    origin: list[tuple[str, str]] = []
    compared = evidence.comparison
    frames = {"main run": evidence.answers, "ablations": evidence.ablations}
    if compared is not None:
        frames[f"comparison {compared.name}, begun {compared.begun}"] = compared.answers
    for label, frame in frames.items():
        if frame is not None:
            facts = {name: value for name, value in run_origin(frame).items() if name != "config_digest"}
            origin += [(f"{label}: {name}", _flat(value)) for name, value in facts.items()]
    settings = pd.concat(
        [_settings(frame) for frame in (evidence.answers, evidence.ablations) if frame is not None]
    )
    shown = settings.drop_duplicates("condition").sort_values("condition")
    return [
        table_of([*origin, *((f"version: {k}", str(v)) for k, v in versions().items())], ("what", "value")),
        Heading("Settings of every condition", 3),
        TextTable(shown.astype(str)),
        *_compared_settings(compared, set(shown["condition"])),
    ]


def _compared_settings(compared: Comparison | None, known: Collection[str]) -> list[Part]:
    """Settings of the conditions that only the comparison holds, which have few names in common."""
    if compared is None:
        return []
    rows = [
        (name, ", ".join(f"{key} = {value}" for key, value in sorted(values.items()) if key != "method"))
        for name, values in settings_by_condition(compared.answers).items()
        if name not in known
    ]
    return [
        Heading("Settings of the methods of the comparison", 3),
        table_of(rows, ("condition", "settings")),
    ]


def _settings(frame: pd.DataFrame) -> pd.DataFrame:
    rows = [{"condition": name, **values} for name, values in settings_by_condition(frame).items()]
    table = pd.DataFrame(rows)
    return table.drop(columns=[name for name in table if str(name).endswith("image_prompt")])


def _flat(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
