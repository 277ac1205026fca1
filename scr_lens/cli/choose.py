"""`scr-lens choose`: settings chosen on validation scenes and frozen in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd


def choose(
    model: Annotated[
        str, typer.Argument(help="Shipped organism, checkpoint folder or hub name.")
    ] = "llava-small",
    out: Annotated[Path, typer.Option(help="File for the chosen settings (JSON).")] = Path(
        "runs/chosen.json"
    ),
    images: Annotated[int, typer.Option(min=2, help="Validation scenes.")] = 150,
    split: Annotated[str, typer.Option(help="validation; test scenes are refused.")] = "validation",
    work: Annotated[Path, typer.Option(help="Folder that holds runs/ and data/world/.")] = Path(),
    seed: Annotated[int, typer.Option(min=0, help="Seed of every draw.")] = 0,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[str | None, typer.Option(help="Such as cpu or cuda.")] = None,
) -> None:
    """Choose lambda, K, blocks and topology of SCR on validation scenes, by a rule fixed in code.

    Stop it at any time; the same command goes on where it stopped.
    """
    from scr_lens.causal import Asked, choose, require_validation, write_choice
    from scr_lens.figures import save, to_csv
    from scr_lens.figures.choice import choice_figure
    from scr_lens.figures.saving import write_figure_file
    from scr_lens.models import caveat, load

    require_validation(split)
    lens = load(model, dtype=dtype, device=device)
    asked = Asked.of_world(lens, "validation", images, work / "data" / "world", seed=seed)
    run = work / "runs" / f"choose-{Path(model).name}-{lens.revision[:8]}-{images}"
    choice, setting = choose(lens, asked, run, n_images=images)
    write_choice(out, choice, setting, lens, asked)
    write_figure_file(out.parent, f"{out.stem}-grid.csv", to_csv(choice.grid).encode())
    save(choice_figure(choice.grid), out.parent, f"{out.stem}-grid")
    typer.echo("\n".join(lines(choice.grid)))
    typer.echo(f"rule: {choice.rule}\n{choice.reason}\n{choice.summary}\nwritten: {out}")
    if caveat(lens):
        typer.echo(caveat(lens))


def lines(grid: pd.DataFrame) -> list[str]:
    """The grid as lines of text, percent and percentage points; the chosen setting has a star."""
    shown = [f"  {'setting':44s} {'HR':>5s} {'change':>7s} {'p (Holm)':>9s} {'accuracy':>9s} {'change':>7s}"]
    for row in grid.to_dict(orient="records"):
        shown.append(
            f"{'*' if row['chosen'] else ' '} {row['setting']:44s} {100 * row['hallucination_rate']:5.1f} "
            f"{100 * row['d_hallucination_rate']:+7.1f} {row['p_holm']:9.3f} {100 * row['accuracy']:9.1f} "
            f"{100 * row['d_accuracy']:+7.1f}{'' if row['keeps_accuracy'] else '  loses too much accuracy'}"
        )
    return shown
