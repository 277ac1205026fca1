"""`scr-lens gallery`: the images of a stored run as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scr_lens.viewer import Gallery


def gallery(
    run: Annotated[Path, typer.Argument(help="Run directory, such as runs/demo-llava-small-500.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("gallery.html"),
    images: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with the run's image files; may be given again. Default: data/world."),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(help="Condition to compare with vanilla; may be given again. Default: all."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Most questions to show; of more, every n-th is taken.")
    ] = 400,
    center_crop: Annotated[
        bool, typer.Option("--center-crop", help="The model's processor cuts the middle out of every image.")
    ] = False,
    beside: Annotated[
        bool, typer.Option("--beside", help="Put the pictures into a folder beside the page.")
    ] = False,
) -> None:
    """Write a page to look through a stored run: sort, filter, open, compare; it needs no network."""
    from scr_lens.cli.inspect import plain
    from scr_lens.viewer import gallery as build
    from scr_lens.viewer import write_page
    from scr_lens.viewer.picture_folder import PictureFolder
    from scr_lens.viewer.picture_search import usual_folders

    folders = images or usual_folders(run)
    made = build(run, pictures=folders, conditions=condition, limit=limit, is_center_cut=center_crop)
    folder = PictureFolder.of(made.payload, plain(f"{out.stem}-images")) if beside else None
    file = write_page(out, made.payload, folder=folder)
    for warning in warnings(made):
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"{made.n_cards} of {made.n_questions} questions")
    typer.echo(f"written: {file}")


def warnings(made: Gallery) -> list[str]:
    """What a user should know about the pictures of a gallery."""
    found = []
    if made.missing:
        found.append(
            f"{len(made.missing)} images were not found, such as {made.missing[0]!r}; their maps are drawn "
            "alone; give their folder with --images FOLDER"
        )
    if made.uncovered:
        found.append(
            f"{len(made.uncovered)} images differ in shape from the patch grid, such as "
            f"{made.uncovered[0]!r}; their maps are drawn beside them; give --center-crop if the model's "
            "processor cuts them so"
        )
    return found
