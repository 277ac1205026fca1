"""Reports on disk: HTML, Markdown, pictures and numbers, the same bytes for the same evidence."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from scr_lens.errors import DataError
from scr_lens.evidence import Evidence, read_evidence, with_comparison
from scr_lens.figures.paper import PAPER_FIGURES, PAPER_TABLES, PaperFigure, PaperTable
from scr_lens.figures.paper.tables import readable
from scr_lens.figures.paper.writing import shown_headings
from scr_lens.figures.saving import render, write_figure_file
from scr_lens.figures.table_text import NAMING, to_csv
from scr_lens.report.across import build_index
from scr_lens.report.build import Drawn, build_report
from scr_lens.report.causal import CausalPart, read_causal
from scr_lens.report.claim import ClaimResult
from scr_lens.report.claims.registry import assess
from scr_lens.report.document import Document, Picture, TextTable
from scr_lens.report.markdown import to_markdown
from scr_lens.report.page import to_html
from scr_lens.report.rows import results_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLORS = 128
"""Colors of a picture in a report: enough for plots, a third of the bytes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reported:
    """What the report of one model says, for the report across models.

    Attributes:
        claims: Result per claim.
        causal: Its causal tests.
    """

    claims: Mapping[str, ClaimResult]
    causal: tuple[CausalPart, ...]


def write_report(path: str | Path, out: str | Path, *, note: str = "") -> Reported:
    """Write the report of one model.

    Args:
        path: Run or experiment folder; a comparison of the same model is looked for beside it.
        out: Folder for report.html, report.md, claims.csv, pictures and tables; it is created. Pictures and
            tables of an earlier report that this evidence does not give are removed from it.
        note: What a reader of this model's answers has to know.

    Returns:
        Results of the claims and of the causal tests.

    Raises:
        StoreError: If there is no run, or a stored file is damaged.
    """
    evidence, folder = with_comparison(read_evidence(path), path), Path(out)
    results, causal = assess(evidence), read_causal(path)
    drawn, files = _draw(evidence, causal)
    document = build_report(evidence, results, drawn, causal, note=note)
    _write(folder, "report", document)
    files["claims.csv"] = to_csv(results_table(results))
    for name, text in sorted(files.items()):
        write_figure_file(folder, name, text.encode())
    _remove_older(folder, {*files, *(picture.name for picture in document.pictures)})
    return Reported(claims=results, causal=causal)


def write_index(reports: Mapping[str, Reported], notes: Mapping[str, str], out: str | Path) -> Path:
    """Write the report across models.

    Args:
        reports: What the report of each model says.
        notes: What a reader has to know, by model.
        out: Folder that holds the models' reports.

    Returns:
        Path of the Markdown file.
    """
    results = {model: report.claims for model, report in reports.items()}
    document = build_index(results, notes, {model: report.causal for model, report in reports.items()})
    _write(Path(out), "index", document)
    return Path(out) / "index.md"


def compact_png(content: bytes) -> bytes:
    """Reduce a plot's PNG to a small palette.

    Args:
        content: PNG file.

    Returns:
        PNG file with at most 128 colors; the same bytes for the same input.
    """
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        reduced = picture.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
        reduced.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _write(folder: Path, name: str, document: Document) -> None:
    write_figure_file(folder, f"{name}.md", to_markdown(document).encode())
    write_figure_file(folder, f"{name}.html", to_html(document).encode())
    for picture in document.pictures:
        write_figure_file(folder, picture.name, picture.png)


def _remove_older(folder: Path, made: set[str]) -> None:
    """Removes what an earlier report left and this one could not make: it would pass for current."""
    entries = [*PAPER_FIGURES, *PAPER_TABLES]
    possible = {f"{name}.{kind}" for name in entries for kind in ("csv", "png")}
    possible |= {path.name for kind in ("csv", "png") for path in folder.glob(f"causal-*.{kind}")}
    for name in possible - made:
        (folder / name).unlink(missing_ok=True)


def _draw(evidence: Evidence, causal: Sequence[CausalPart]) -> tuple[Drawn, dict[str, str]]:
    """Everything drawn, and the CSV files behind it."""
    pictures: dict[str, Picture] = {}
    tables: dict[str, TextTable] = {}
    missing: dict[str, str] = {}
    files: dict[str, str] = {}
    entries: list[PaperFigure | PaperTable] = [*PAPER_FIGURES.values(), *PAPER_TABLES.values()]
    for entry in entries:
        try:
            numbers = entry.collect(evidence)
        except DataError as error:
            missing[entry.id] = str(error)
            continue
        files[f"{entry.id}.csv"] = to_csv(numbers)
        if isinstance(entry, PaperFigure):
            pictures[entry.id] = _picture(entry.id, entry.draw(numbers), entry.description)
        else:
            cells = readable(numbers, shown_headings(entry, numbers))
            numeric = tuple(name for name in map(str, cells.columns) if name not in NAMING)
            tables[entry.id] = TextTable(cells, numeric)
    for part in causal:
        for name, figure in part.figures().items():
            pictures[name] = _picture(name, figure, f"Causal test: {part.title}.")
        for name, table in ({} if part.outcome is None else part.outcome.tables).items():
            files[f"causal-{part.name}-{name}.csv"] = to_csv(table)
    return Drawn(pictures=pictures, tables=tables, missing=missing), files


def _picture(name: str, figure: Figure, caption: str) -> Picture:
    return Picture(f"{name}.png", compact_png(render(figure, "png")), caption)
