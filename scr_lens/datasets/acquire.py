"""Datasets brought to the data folder: from the network, or from files already on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from scr_lens.datasets.checks import check_file, inside, is_expected
from scr_lens.datasets.download import download
from scr_lens.datasets.registry import Dataset, RemoteFile
from scr_lens.datasets.unpack import unpack_zip
from scr_lens.errors import DataError
from scr_lens.store.atomic import write_bytes


def fetch(dataset: Dataset, data: Path) -> tuple[Path, ...]:
    """Downloads the files of a dataset that are not there yet.

    Args:
        dataset: What to get.
        data: The data folder.

    Returns:
        The places of its files and unpacked folders.

    Raises:
        DataError: If it has no direct address, a download fails, or a file is not the expected one.
    """
    if not dataset.files:
        raise DataError(
            f"{dataset.name} cannot be fetched: {dataset.how} ({dataset.source}); then run "
            f"`scr-lens data import {dataset.name} FOLDER`"
        )
    return tuple(_fetch_file(file, data) for file in dataset.files)


def import_files(
    dataset: Dataset, sources: Sequence[Path], data: Path, *, link: bool = False
) -> tuple[Path, ...]:
    """Takes the files of a dataset from disk, with the checks of a download.

    Args:
        dataset: What they are.
        sources: Files, or folders that hold them; an unpacked folder stands for its archive.
        data: The data folder.
        link: Link to the originals instead of copying them.

    Returns:
        The places of its files and folders.

    Raises:
        DataError: If a file is not among the sources or is not the expected one, or the place is taken.
    """
    for source in sources:
        if not source.exists():
            raise DataError(f"there is no {source}; give existing files or folders")
    if dataset.folder is not None:
        folders = [source for source in sources if source.is_dir()]
        if len(folders) != 1 or len(sources) != 1:
            raise DataError(f"{dataset.name} is a folder; give exactly one, got {[str(s) for s in sources]}")
        return (_take(folders[0], inside(data, dataset.folder), link),)
    return tuple(_import_file(dataset, file, sources, data, link) for file in dataset.files)


def _fetch_file(file: RemoteFile, data: Path) -> Path:
    target = inside(data, file.path)
    if file.unpacks_to is None:
        if not is_expected(target, file.size, file.checksum):
            download(file.url, target, size=file.size, checksum=file.checksum)
        return target
    folder = inside(data, file.unpacks_to)
    if not _is_unpacked(folder):
        if not is_expected(target, file.size, file.checksum):
            download(file.url, target, size=file.size, checksum=file.checksum)
        _unpack(target, folder, file.url)
        target.unlink()
    return folder


def _import_file(dataset: Dataset, file: RemoteFile, sources: Sequence[Path], data: Path, link: bool) -> Path:
    target = inside(data, file.path)
    unpacked = file.unpacks_to.rpartition("/")[2] if file.unpacks_to else None
    for source in sources:
        if unpacked and source.is_dir() and source.name == unpacked:
            return _take(source, inside(data, file.unpacks_to or ""), link)
    found = next(
        (c for s in sources for c in (s, s / file.name) if c.name == file.name and c.is_file()), None
    )
    if found is None:
        wanted = f"{file.name!r}" + (f" or a folder {unpacked!r}" if unpacked else "")
        raise DataError(
            f"{dataset.name}: {wanted} is not among {', '.join(map(str, sources))}; give its path"
        )
    check_file(found, file.size, file.checksum, str(found))
    if file.unpacks_to is None:
        return _take(found, target, link)
    folder = inside(data, file.unpacks_to)
    _unpack(found, folder, str(found))
    return folder


def _take(source: Path, target: Path, link: bool) -> Path:
    """Copies or links a file or folder to a place that is free."""
    if target.exists() and source.samefile(target):
        return target
    if target.exists() or target.is_symlink():
        raise DataError(f"{target} exists already; move it away first")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    _remove(part)
    if link:
        part.symlink_to(source.resolve(), target_is_directory=source.is_dir())
    elif source.is_dir():
        shutil.copytree(source, part)
    else:
        shutil.copyfile(source, part)
    part.rename(target)
    return target


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _unpack(archive: Path, folder: Path, origin: str) -> None:
    """Unpacks and leaves a receipt, the sign that nothing is missing."""
    count = unpack_zip(archive, folder.parent)
    if not folder.is_dir():
        raise DataError(f"{archive} makes no folder {folder.name!r}; it is another archive, look into it")
    receipt = {"from": origin, "files": count, "bytes": archive.stat().st_size}
    write_bytes(_receipt(folder), json.dumps(receipt, indent=1).encode() + b"\n")


def _is_unpacked(folder: Path) -> bool:
    return folder.is_dir() and (_receipt(folder).is_file() or folder.is_symlink())


def _receipt(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.unpacked.json")
