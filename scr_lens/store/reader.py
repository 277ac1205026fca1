"""A stored run as a data frame, checked shard by shard."""

import hashlib
import itertools
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scr_lens.errors import ConfigError, StoreError, unknown_name
from scr_lens.store.conditions import with_added
from scr_lens.store.frames import to_frame
from scr_lens.store.keys import keys_digest
from scr_lens.store.manifest import ShardEntry, check_version, read_manifests, unlisted_shards
from scr_lens.store.schema import BY_NAME, COLUMNS, COMPARED_COLUMNS, arrow_schema, version_of

_LOG = logging.getLogger(__name__)

_Place = tuple[int, int]  # shard among the entries, row within it


def read_run(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a run from all its writers.

    Args:
        path: Run directory.
        columns: Columns to read; None reads all.

    Returns:
        One row per key, sorted by key, so that the order of writing leaves no trace. Texts are objects (None
        when empty), counts are Int16, numbers float64 (NaN when empty), `splits` tuples, maps float32 or
        int16 arrays (None when empty): `attention` [patch], `resid_norm` [layer, patch]. Of a failed and an
        ok row of one key the ok row is kept.

    Raises:
        StoreError: Naming the file and what to do, if the directory holds no run, a shard is missing,
            truncated, changed or of another schema version, or two rows of one key disagree.
        ConfigError: If a column is unknown.
    """
    folder = run_folder(path)
    names = [column.name for column in COLUMNS] if columns is None else list(columns)
    for name in names:
        if name not in BY_NAME:
            raise ConfigError(unknown_name("column", name, BY_NAME))
    _report_unlisted(folder)
    entries = read_manifests(folder)
    shards = [load_shard(folder, entry, {*names, "key", "status", "n_layers"}) for entry in entries]
    kept = _resolve(folder, entries, shards)
    frames = [to_frame(shard.take(rows)) for shard, rows in zip(shards, kept, strict=True) if rows]
    merged = pd.concat(frames, ignore_index=True) if frames else to_frame(arrow_schema().empty_table())
    return merged.sort_values("key", ignore_index=True)[names]


def read_info(path: str | Path) -> dict[str, Any]:
    """Read how a run was made.

    Args:
        path: Run directory.

    Returns:
        The content of run.json (versions, seeds, device, settings, git state, time), with the conditions that
        were added later.

    Raises:
        StoreError: If the directory holds no readable run of this schema version.
    """
    file = Path(path) / "run.json"
    try:
        info = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise StoreError(f"{path} is not a run directory (no run.json in it); check the path") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {file}: {error}; restore it from a copy") from error
    check_version(file, info.get("schema_version") if isinstance(info, dict) else None)
    return with_added(Path(path), info)


def completed_keys(path: str | Path, *, include_failed: bool = True) -> frozenset[str]:
    """List what a run has already, for resuming.

    Args:
        path: Run directory.
        include_failed: Count failed rows as done; False gives them another try.

    Returns:
        Row keys of all writers.

    Raises:
        StoreError: If a shard is missing or damaged.
    """
    folder = run_folder(path)
    done: set[str] = set()
    for entry in read_manifests(folder):
        shard = load_shard(folder, entry, {"key", "status"})
        pairs = zip(shard.column("key").to_pylist(), shard.column("status").to_pylist(), strict=True)
        done.update(key for key, status in pairs if include_failed or status == "ok")
    return frozenset(done)


def run_folder(path: str | Path) -> Path:
    """Check that a path is a run directory.

    Args:
        path: The path.

    Returns:
        The path.

    Raises:
        StoreError: If it holds no readable run of this schema version.
    """
    read_info(path)
    return Path(path)


def load_shard(folder: Path, entry: ShardEntry, columns: Iterable[str] | None = None) -> Any:
    """Read one shard after checking it against its manifest entry.

    Args:
        folder: Run directory.
        entry: What the manifest says of the shard.
        columns: Columns to read; None reads all.

    Returns:
        A `pyarrow.Table`.

    Raises:
        StoreError: Naming the file and what to do, if it is missing, truncated, changed or of another
            version.
    """
    file = folder / entry.shard
    check_version(file, entry.schema_version)
    content = _checked_bytes(file, entry)
    try:
        parquet = pq.ParquetFile(pa.BufferReader(content))
        check_version(file, version_of(parquet.schema_arrow))
        wanted = None if columns is None else [c.name for c in COLUMNS if c.name in set(columns)]
        table = parquet.read(columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, f"is not readable as Parquet ({str(error).splitlines()[0]})") from error
    if table.num_rows != entry.rows or ("key" in table.column_names and _keys(table) != entry.keys_sha256):
        raise _damaged(file, f"does not hold the {entry.rows} rows that its manifest lists")
    return table


def _checked_bytes(file: Path, entry: ShardEntry) -> bytes:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise _damaged(file, "is missing although its manifest lists it") from None
    except OSError as error:
        raise _damaged(file, f"cannot be read ({error.strerror})") from error
    if len(content) < entry.size:
        raise _damaged(file, f"is truncated: {len(content)} bytes of {entry.size}")
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise _damaged(file, "was changed after it was written: its SHA-256 is not the manifest's")
    return content


def _damaged(file: Path, problem: str) -> StoreError:
    writer = file.name.removeprefix("shard-").rpartition("-")[0]
    return StoreError(
        f"{file} {problem}; restore the file from a copy, or delete its entry in manifest-{writer}.json and "
        "run again to compute its rows anew"
    )


def _keys(table: Any) -> str:
    return keys_digest(table.column("key").to_pylist())


def _report_unlisted(folder: Path) -> None:
    unlisted = unlisted_shards(folder)
    if unlisted:
        _LOG.warning(
            "%s: ignoring %s, which no manifest lists (interrupted write)", folder, ", ".join(unlisted)
        )


def _resolve(folder: Path, entries: Sequence[ShardEntry], shards: Sequence[Any]) -> list[list[int]]:
    """Choose one row per key; entries are in a fixed order, so the choice does not depend on the reader."""
    places: dict[str, list[_Place]] = defaultdict(list)
    failed: dict[str, _Place] = {}
    for number, shard in enumerate(shards):
        pairs = zip(shard.column("key").to_pylist(), shard.column("status").to_pylist(), strict=True)
        for row, (key, status) in enumerate(pairs):
            if status == "ok":
                places[key].append((number, row))
            else:
                failed.setdefault(key, (number, row))
    _check_agreement(folder, entries, {key: found for key, found in places.items() if len(found) > 1})
    kept: list[list[int]] = [[] for _ in shards]
    chosen = failed | {key: found[0] for key, found in places.items()}
    for number, row in chosen.values():
        kept[number].append(row)
    return kept


def _check_agreement(
    folder: Path, entries: Sequence[ShardEntry], duplicates: Mapping[str, Sequence[_Place]]
) -> None:
    """Refuse ok rows of one key that differ; every shard concerned is loaded once."""
    wanted = sorted((place, key) for key, found in duplicates.items() for place in found)
    first: dict[str, tuple[int, dict[str, Any]]] = {}
    for number, group in itertools.groupby(wanted, key=lambda item: item[0][0]):
        shard = load_shard(folder, entries[number], COMPARED_COLUMNS)
        for (_, row), key in group:
            cells = shard.slice(row, 1).to_pylist()[0]
            origin, other = first.setdefault(key, (number, cells))
            different = [name for name in COMPARED_COLUMNS if cells[name] != other[name]]
            if different:
                raise StoreError(
                    f"{folder / entries[origin].shard} and {entries[number].shard} disagree on row {key} in "
                    f"{', '.join(different)}; keep one: delete the entry of the other in its manifest"
                )
