"""`scr-lens report`: every claim of the paper, measured, as HTML and Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path | None, typer.Argument(help="A stored run, or the folder of an experiment.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report; docs/reports/<model> by default.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Run what is missing on every shipped organism, report on each.")
    ] = False,
    models: Annotated[
        list[str] | None, typer.Option("--model", help="With --all: only these models.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="With --all: folder of the experiments.")] = Path("runs"),
    world: Annotated[Path, typer.Option(help="With --all: folder of rendered scenes.")] = Path("data/world"),
    jobs: Annotated[int, typer.Option(min=1, help="With --all: processes.")] = 1,
) -> None:
    """Write what became of every claim of the paper: number, interval, verdict, caveats, figures."""
    from scr_lens.errors import ConfigError
    from scr_lens.report import write_report

    if everything == (run is not None):
        raise ConfigError("give either a run to report on or --all, not both and not neither")
    if everything:
        _all(models, out or Path("docs/reports"), runs, world, jobs)
    elif run is not None:
        folder = out or Path("docs/reports") / run.name
        write_report(run, folder)
        typer.echo(f"{folder / 'report.html'}\n{folder / 'report.md'}")


def _all(models: list[str] | None, out: Path, runs: Path, world: Path, jobs: int) -> None:
    from scr_lens.experiment import carry_out
    from scr_lens.models import caveat, load
    from scr_lens.organisms.shipped import shipped_names
    from scr_lens.report import write_index, write_report

    results, notes = {}, {}
    for model in models or shipped_names():
        typer.echo(f"{model}: running what is missing", err=True)
        lens = load(model)
        notes[model] = caveat(lens)
        folder = carry_out(model, runs, world=world, jobs=jobs, lens=lens)
        results[model] = write_report(folder, out / model, note=notes[model])
        typer.echo(str(out / model / "report.html"))
    typer.echo(str(write_index(results, notes, out)))
