"""Finding the image files of a stored run, which knows their names and hashes but not their folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from scr_lens.errors import DataError
from scr_lens.pictures import read_image


def find_pictures(wanted: Mapping[str, str], folders: Sequence[Path]) -> Iterator[tuple[str, Image.Image]]:
    """Finds images by name and makes sure of them by hash.

    Args:
        wanted: Name of the image by SHA-256 of its file.
        folders: Where to look, subfolders included, in this order.

    Yields:
        SHA-256 and decoded image of every file found; a file of another content is not taken, whatever its
        name.

    Raises:
        DataError: If a folder does not exist.
    """
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"picture folder {folder} does not exist; give the folder of the run's images")
    places = _by_name({Path(name).name for name in wanted.values()}, folders)
    for sha256, name in wanted.items():
        image = _first_match(sha256, places.get(Path(name).name, ()))
        if image is not None:
            yield sha256, image


def usual_folders(run: Path) -> tuple[Path, ...]:
    """Where a run's pictures lie unless one says otherwise: where `scr-lens demo` renders them.

    Args:
        run: Run directory.

    Returns:
        Existing folders `data/world` of the working directory and of the folder that holds `runs`.
    """
    candidates = (Path("data/world"), run.resolve().parent.parent / "data" / "world")
    distinct = {folder.resolve(): folder for folder in candidates if folder.is_dir()}
    return tuple(distinct.values())


def _by_name(names: set[str], folders: Iterable[Path]) -> dict[str, list[Path]]:
    places: dict[str, list[Path]] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.name in names and path.is_file():
                places.setdefault(path.name, []).append(path)
    return places


def _first_match(sha256: str, paths: Iterable[Path]) -> Image.Image | None:
    for path in paths:
        try:
            image, found = read_image(path)
        except DataError:
            continue
        if found == sha256:
            return image
    return None
