"""`scr-lens organism`: list and train the small models of the rendered world, write their cards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

organism = typer.Typer(help="Small models trained on a rendered world.", no_args_is_help=True)


@organism.command("list")
def list_organisms() -> None:
    """Show every organism and whether its weights are at hand."""
    from scr_lens.organisms.recipe import RECIPES
    from scr_lens.organisms.shipped import shipped_folder

    for name in RECIPES:
        typer.echo(f"{name:20s} {shipped_folder(name) or 'not trained yet'}")


@organism.command()
def train(
    name: Annotated[str, typer.Argument(help="Organism, see `scr-lens organism list`.")],
    out: Annotated[Path, typer.Option(help="Folder under which the checkpoint folder is written.")] = Path(
        "data/organisms"
    ),
    cache: Annotated[Path, typer.Option(help="Rendered pictures and the state to resume from.")] = Path(
        "data/training"
    ),
    device: Annotated[str, typer.Option(help="Where to train: cpu or cuda.")] = "cpu",
    threads: Annotated[int | None, typer.Option(help="CPU threads; all cores by default.")] = None,
) -> None:
    """Train an organism from scratch, or go on where a stopped training left off; then measure it."""
    from scr_lens.organism_card import train_and_describe
    from scr_lens.organisms.recipe import recipe

    folder = train_and_describe(recipe(name), out / name, cache, device, threads)
    typer.echo(f"written: {folder}")


@organism.command()
def card(
    name: Annotated[str, typer.Argument(help="Organism, see `scr-lens organism list`.")],
    out: Annotated[Path, typer.Option(help="Folder under which its checkpoint folder is.")] = Path(
        "data/organisms"
    ),
) -> None:
    """Write an organism's model card again from its stored measurements."""
    from scr_lens.organism_card import write_card
    from scr_lens.organisms.recipe import recipe

    typer.echo(f"written: {write_card(recipe(name), out / name)}")
