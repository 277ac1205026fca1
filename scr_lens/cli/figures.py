"""`scr-lens figures`: the paper's figures and tables, drawn from a stored run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def figures(
    ids: Annotated[
        list[str] | None,
        typer.Argument(help="Figures and tables, such as figure-3 or table-1; all by default."),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="A stored run, or the folder of an experiment.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("figures/paper"),
    listed: Annotated[bool, typer.Option("--list", help="Only list what can be drawn.")] = False,
) -> None:
    """Draw figures and tables of the paper next to the paper's numbers: PDF, PNG, CSV and Markdown."""
    from scr_lens.errors import ConfigError
    from scr_lens.evidence import read_evidence, with_comparison
    from scr_lens.figures.paper import (
        PAPER_FIGURES,
        PAPER_TABLES,
        PaperFigure,
        PaperTable,
        find_entry,
        write_entries,
    )

    known: list[PaperFigure | PaperTable] = [*PAPER_FIGURES.values(), *PAPER_TABLES.values()]
    if listed:
        typer.echo("\n".join(f"{entry.id:20s} {entry.description}" for entry in known))
        return
    if run is None:
        raise ConfigError("no run to draw from; give --run with the folder of a stored run or experiment")
    evidence = with_comparison(read_evidence(run), run)
    outcomes = write_entries([find_entry(name) for name in ids] if ids else known, evidence, out)
    for outcome in outcomes:
        if outcome.files:
            typer.echo(f"{outcome.id}: {', '.join(str(file) for file in outcome.files)}")
        else:
            typer.echo(f"{outcome.id}: not drawn, {outcome.missing}")
    if ids and not all(outcome.files for outcome in outcomes):
        raise typer.Exit(1)
