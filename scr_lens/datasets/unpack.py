"""Zip archives, unpacked without trusting them."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path

from tqdm.auto import tqdm

from scr_lens.datasets.checks import inside
from scr_lens.errors import DataError


def unpack_zip(archive: Path, folder: Path) -> int:
    """Unpacks an archive.

    Every member is written beside its place and renamed, and its CRC is checked; members that are there with
    the right size are kept, so an interrupted call is finished by the next.

    Args:
        archive: Zip file.
        folder: Where its members go.

    Returns:
        Number of files in the archive.

    Raises:
        DataError: If it is damaged, a member leads out of the folder or is no plain file, or there is not
            enough room.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [info for info in opened.infolist() if not info.is_dir()]
            targets = [_target(archive, folder, info) for info in members]
            _require_room(folder, sum(info.file_size for info in members), archive)
            for info, target in tqdm(
                list(zip(members, targets, strict=True)), desc=f"unpack {archive.name}", leave=False
            ):
                if not (target.is_file() and target.stat().st_size == info.file_size):
                    _extract(opened, info, target)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise DataError(f"{archive}: damaged archive ({error}); delete it and get it again") from error
    return len(members)


def _target(archive: Path, folder: Path, info: zipfile.ZipInfo) -> Path:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise DataError(f"{archive}: member {info.filename!r} is no plain file; do not unpack this archive")
    try:
        return inside(folder, info.filename)
    except DataError as error:
        raise DataError(f"{archive}: member {error}; do not unpack this archive") from error


def _extract(opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        with opened.open(info) as source, part.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _require_room(folder: Path, needed: int, archive: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(f"{archive} unpacks to {needed} bytes, {folder} has {free} free; make room")
