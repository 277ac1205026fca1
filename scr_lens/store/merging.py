"""Run directories of one run, made apart, put together."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scr_lens.errors import StoreError
from scr_lens.store import atomic, reader
from scr_lens.store.conditions import add_conditions, copy_added
from scr_lens.store.differences import different_settings
from scr_lens.store.manifest import (
    ShardEntry,
    check_writer,
    read_manifest,
    shard_name,
    write_manifest,
    writer_names,
)


def merge_runs(runs: Sequence[str | Path], out: str | Path) -> int:
    """Copies the shards of several run directories into a new one.

    The new directory appears complete or not at all. Rows that several runs hold are kept once; they must
    agree. Conditions that only some have are kept too.

    Args:
        runs: At least one run directory; all with the same settings and seeds.
        out: Directory to create.

    Returns:
        Number of rows of the merged run.

    Raises:
        StoreError: If a directory is no run or is damaged, settings differ, rows disagree, or `out` exists.
    """
    folders = [reader.run_folder(run) for run in runs]
    target = Path(out)
    if target.exists():
        raise StoreError(f"{target} exists already; give a new directory")
    for first, other in itertools.combinations(folders, 2):
        _check_same(first, other)
    part = target.with_name(f".{target.name}.merging")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        atomic.write_bytes(part / "run.json", (folders[0] / "run.json").read_bytes())
        for number, folder in enumerate(folders, start=1):
            copy_added(folder, part)
            add_conditions(part, reader.read_info(part), reader.read_info(folder))
            _copy(folder, part, number)
        rows = len(reader.read_run(part, ["key"]))
        part.rename(target)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror}; give a writable folder") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return rows


def _check_same(first: Path, other: Path) -> None:
    difference = different_settings(reader.read_info(first), reader.read_info(other))
    if difference:
        raise StoreError(f"{first} and {other} are different runs: {difference}; merge shards of one run")


def _copy(folder: Path, target: Path, number: int) -> None:
    """Copies every writer's shards under a name that no other run has."""
    for writer in writer_names(folder):
        name = check_writer(f"{number}.{writer}"[:64])
        entries = []
        for index, entry in enumerate(read_manifest(folder, writer)):
            entries.append(_copy_shard(folder, entry, target, shard_name(name, index)))
        write_manifest(target, name, tuple(entries))


def _copy_shard(folder: Path, entry: ShardEntry, target: Path, name: str) -> ShardEntry:
    reader.load_shard(folder, entry, {"key"})
    atomic.write_bytes(target / name, (folder / entry.shard).read_bytes())
    return replace(entry, shard=name)
