"""`scr-lens compare`: every method on the same questions and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    model: Annotated[
        str, typer.Argument(help="Shipped organism, checkpoint folder or hub name.")
    ] = "llava-small",
    images: Annotated[int, typer.Option(min=2, help="Pictures with POPE questions, three splits.")] = 200,
    caption_images: Annotated[int, typer.Option(min=2, help="Pictures with captions.")] = 100,
    timed: Annotated[int, typer.Option(min=2, help="Pictures on which every method is timed.")] = 20,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of methods that draw.")] = 3,
    without: Annotated[
        list[str] | None, typer.Option(help="Method to leave out, such as opera; may be given again.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the tables; docs/comparisons/<model> by default.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder of stored runs.")] = Path("runs"),
    world: Annotated[Path, typer.Option(help="Folder of rendered scenes.")] = Path("data/world"),
    jobs: Annotated[int, typer.Option(min=1, help="Processes, each with its own copy of the model.")] = 1,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[str | None, typer.Option(help="Such as cpu or cuda.")] = None,
) -> None:
    """Compare all methods on POPE and captions: paired changes, seeds, time, the paper's numbers beside.

    Stop it at any time; the same command goes on where it stopped.
    """
    from scr_lens.cli.run import report_failures
    from scr_lens.experiment.compare import compare as carry_out
    from scr_lens.experiment.comparison_plan import COMPARED, ComparisonPlan
    from scr_lens.figures.method_report import write_method_report
    from scr_lens.models import caveat, load

    plan = ComparisonPlan(
        n_images=images,
        n_caption_images=caption_images,
        n_timed=timed,
        n_seeds=seeds,
        without=tuple(without or ()),
    )
    lens = load(model, dtype=dtype, device=device)
    done = carry_out(model, runs, plan, world=world, jobs=jobs, lens=lens)
    for name, reason in done.left_out.items():
        typer.echo(f"not in the comparison: {name}: {reason}")
    report = write_method_report(
        done.evidence(),
        done.times,
        out or Path("docs/comparisons") / Path(model).name,
        order=COMPARED,
        left_out=done.left_out,
        note=caveat(lens),
    )
    for summary in done.summaries:
        typer.echo(str(summary))
    typer.echo(f"run: {done.folder}\n{report}")
    report_failures({image: why for summary in done.summaries for image, why in summary.failed.items()})
