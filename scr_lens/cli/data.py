"""`scr-lens data`: public benchmark files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

data = typer.Typer(help="Get public benchmark files, checked, into data/.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Dataset, see `scr-lens data list`.")]
Folder = Annotated[Path, typer.Option("--data", help="Data folder.")]


@data.command("list")
def list_datasets() -> None:
    """Show every dataset with its size, licence and page."""
    from scr_lens.datasets import DATASETS

    for dataset in DATASETS.values():
        typer.echo(f"{dataset.name:22s} {dataset.title}")
        typer.echo(f"{'':22s} {dataset.size}; {dataset.licence}; {dataset.source}")
        if dataset.how:
            typer.echo(f"{'':22s} {dataset.how}")


@data.command()
def fetch(name: Name, folder: Folder = Path("data")) -> None:
    """Download a dataset from its official address; a stopped download goes on where it was."""
    from scr_lens.datasets import fetch as fetch_dataset
    from scr_lens.datasets import find_dataset

    dataset = find_dataset(name)
    typer.echo(f"{dataset.title}\nlicence: {dataset.licence} ({dataset.source}); size: {dataset.size}")
    for path in fetch_dataset(dataset, folder):
        typer.echo(f"ready: {path}")


@data.command("import")
def import_dataset(
    name: Name,
    sources: Annotated[list[Path], typer.Argument(help="Files or folders on disk.")],
    folder: Folder = Path("data"),
    link: Annotated[bool, typer.Option(help="Link instead of copying.")] = False,
) -> None:
    """Take a dataset from files that are on disk already, with the checks of a download."""
    from scr_lens.datasets import find_dataset, import_files

    for path in import_files(find_dataset(name), sources, folder, link=link):
        typer.echo(f"ready: {path}")
