"""Figures and tables of the paper as files, and what could not be drawn."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from scr_lens.errors import DataError
from scr_lens.evidence import Evidence
from scr_lens.figures.paper.registry import PaperFigure, PaperTable
from scr_lens.figures.paper.tables import readable
from scr_lens.figures.provenance import run_origin, write_provenance
from scr_lens.figures.saving import save, write_figure_file
from scr_lens.figures.table_text import frame_to_markdown, to_csv


@dataclass(frozen=True)
class Outcome:
    """What became of one entry.

    Attributes:
        id: The figure or table.
        description: One line on what it shows.
        files: What was written; empty if nothing could be.
        missing: What the run lacks; empty if it was drawn.
        numbers: The table behind it; None if nothing could be collected.
    """

    id: str
    description: str
    files: tuple[Path, ...] = ()
    missing: str = ""
    numbers: pd.DataFrame | None = None


def write_entries(
    entries: Iterable[PaperFigure | PaperTable], evidence: Evidence, folder: str | Path
) -> tuple[Outcome, ...]:
    """Draw and write figures and tables, with their provenance.

    Args:
        entries: What to draw.
        evidence: What is stored about one model.
        folder: Target folder.

    Returns:
        One outcome per entry, in order: files (PNG, PDF and CSV of a figure, MD and CSV of a table), or what
        the run lacks.
    """
    outcomes = tuple(_write(entry, evidence, Path(folder)) for entry in entries)
    written = {outcome.id: outcome.files for outcome in outcomes if outcome.files}
    if written:
        write_provenance(folder, written, run_origin(evidence.answers))
    return outcomes


def _write(entry: PaperFigure | PaperTable, evidence: Evidence, folder: Path) -> Outcome:
    try:
        table = entry.collect(evidence)
    except DataError as error:
        return Outcome(entry.id, entry.description, missing=str(error))
    if isinstance(entry, PaperFigure):
        files = save(entry.draw(table), folder, entry.id, table)
    else:
        text = frame_to_markdown(readable(table, shown_headings(entry, table)))
        contents = {"md": f"{entry.description}\n\n{text}", "csv": to_csv(table)}
        files = tuple(
            write_figure_file(folder, f"{entry.id}.{ending}", content.encode())
            for ending, content in contents.items()
        )
    return Outcome(entry.id, entry.description, files, numbers=table)


def shown_headings(entry: PaperTable, table: pd.DataFrame) -> dict[str, str]:
    """Headings of the columns that the table has: columns without any number are left out."""
    return {name: heading for name, heading in entry.headings.items() if name in table.columns}
