"""`scr-lens report`: every claim of the paper, measured, as HTML and Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scr_lens.experiment import Plan

MIN_IMAGES = 2
"""Fewest images of a trial: an interval over images needs two."""


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
    jobs: Annotated[
        int,
        typer.Option(
            min=1, help="With --all: processes. Several models are worked on side by side, one in each."
        ),
    ] = 1,
    images: Annotated[
        int | None,
        typer.Option(
            min=MIN_IMAGES,
            help="With --all: at most this many images in every part, as a trial. Give another --runs and "
            "--out then: a folder holds one experiment of one size.",
        ),
    ] = None,
) -> None:
    """Write what became of every claim of the paper: number, interval, verdict, caveats, figures."""
    from scr_lens.errors import ConfigError
    from scr_lens.report import write_report

    if everything == (run is not None):
        raise ConfigError("give either a run to report on or --all, not both and not neither")
    if images is not None and not everything:
        raise ConfigError("--images belongs to --all: a stored run is reported on with all its images")
    if everything:
        _all(models, out or Path("docs/reports"), runs, world, jobs, images)
    elif run is not None:
        folder = out or Path("docs/reports") / run.name
        write_report(run, folder)
        typer.echo(f"{folder / 'report.html'}\n{folder / 'report.md'}")


def _all(models: list[str] | None, out: Path, runs: Path, world: Path, jobs: int, images: int | None) -> None:
    from scr_lens.cli.status_lines import StatusLines
    from scr_lens.model_reports import ModelReport, Order, report_models
    from scr_lens.organisms.shipped import shipped_names
    from scr_lens.report import write_index

    order = Order(out=out, runs=runs, world=world, plan=trial_plan(images))
    done: list[ModelReport] = []
    with StatusLines() as lines:
        for made in report_models(
            models or shipped_names(), order, jobs=jobs, say=lines.say, show=lines.show
        ):
            typer.echo(str(made.page))
            done.append(made)
    reports, notes = {made.name: made.reported for made in done}, {made.name: made.note for made in done}
    typer.echo(str(write_index(reports, notes, out)))


def trial_plan(images: int | None) -> Plan | None:
    """The full plan with every part cut to some images.

    Args:
        images: Most images of every part; None leaves the plan as it is.

    Returns:
        The plan; None stands for the full one.
    """
    if images is None:
        return None
    from dataclasses import replace

    from scr_lens.experiment import Plan

    full = Plan()
    return replace(
        full,
        n_images=min(images, full.n_images),
        n_ablation_images=min(images, full.n_ablation_images),
        n_caption_images=min(images, full.n_caption_images),
        n_credit_questions=min(images, full.n_credit_questions),
        n_choice_images=min(images, full.n_choice_images),
        causal={name: min(images, count) for name, count in full.causal.items()},
    )
