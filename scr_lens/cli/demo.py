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
) -> None:
    """Ask POPE questions about rendered scenes under four conditions; write tables and figures."""
    from scr_lens.demo import run_demo
    from scr_lens.figures import to_text

    made = run_demo(model, out, work=work, n_images=images)
    typer.echo(to_text(made.table))
    summary = made.summary
    typer.echo(
        f"\n{summary.planned} rows: {summary.stored_before} from the stored run {made.run}, "
        f"{summary.done} computed in {summary.seconds:.0f} s, {len(summary.failed)} images failed"
    )
    typer.echo("written:\n" + "\n".join(f"  {file}" for file in made.files))
    if made.note:
        typer.echo(made.note)
    for image, reason in summary.failed.items():
        typer.echo(f"failed: {image}: {reason}", err=True)
    if summary.failed:
        raise typer.Exit(1)
