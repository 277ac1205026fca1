"""Where files may go, and whether they are what they should be."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from scr_lens.errors import DataError


def inside(folder: Path, name: str) -> Path:
    """A place under a folder.

    Args:
        folder: The folder; it need not exist.
        name: Relative path with "/" between its parts.

    Returns:
        The path.

    Raises:
        DataError: If the name is absolute, climbs, or passes through a link that leads out of the folder; the
            last part itself may be a link.
    """
    windows = PureWindowsPath(name)
    climbs = ".." in windows.parts or PurePosixPath(name).is_absolute() or bool(windows.drive or windows.root)
    target = folder / name
    if not name.strip() or "\0" in name or climbs or not _is_under(target.parent, folder):
        raise DataError(f"{name!r} leads out of {folder}; expected a path inside that folder")
    return target


def _is_under(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def check_file(path: Path, size: int | None, checksum: str | None, origin: str) -> None:
    """Refuses a file that is not the one expected.

    Args:
        path: The file.
        size: Its bytes, if known.
        checksum: "algorithm:hexdigest", if known.
        origin: Where it came from, for the message.

    Raises:
        DataError: Naming what was expected and found.
    """
    found = path.stat().st_size
    if size is not None and found != size:
        raise DataError(f"{origin} has {found} bytes, expected {size}; it is another version or incomplete")
    if checksum is None:
        return
    algorithm, _, expected = checksum.partition(":")
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, algorithm).hexdigest()
    if actual != expected:
        raise DataError(
            f"{origin} has {algorithm} {actual}, expected {expected}; it is another version or was damaged "
            "on the way, get it again"
        )


def is_expected(path: Path, size: int | None, checksum: str | None) -> bool:
    """Whether a file is there and passes `check_file`."""
    try:
        check_file(path, size, checksum, str(path))
    except (OSError, DataError):
        return False
    return path.is_file()
