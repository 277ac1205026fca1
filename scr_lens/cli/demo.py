"""`scr-lens demo`: the main job, end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    model: Annotated[
        str, typer.Option(help="Shipped organism, checkpoint folder or hub name.")
    ] = "llava-small",
    out: Annotated[Path, typer.Option(help="Folder for tables and figures.")] = Path("figures"),
    work: Annotated[Path, typer.Option(help="Folder that holds runs/ and data/world/.")] = Path(),
    images: Annotated[int, typer.Option(min=10, help="Test scenes to ask about.")] = 500,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; by default one per core, or one on a GPU.")
    ] = None,
) -> None:
    """Ask POPE questions about rendered scenes under four conditions; write tables and figures."""
    from scr_lens.cli.run import report_failures
    from scr_lens.demo import run_demo
    from scr_lens.figures import to_text

    made = run_demo(model, out, work=work, n_images=images, jobs=jobs)
    typer.echo(to_text(made.table))
    typer.echo(f"\n{made.summary}\nrun: {made.run}")
    typer.echo("written:\n" + "\n".join(f"  {file}" for file in made.files))
    if made.note:
        typer.echo(made.note)
    report_failures(made.summary.failed)
