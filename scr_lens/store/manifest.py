"""Manifests: which shards of a run are complete. Every writer has its own; the run is their union."""

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scr_lens.errors import ConfigError, StoreError
from scr_lens.store import atomic
from scr_lens.store.schema import SCHEMA_VERSION

_WRITER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SHARD = re.compile(r"shard-(?P<writer>.+)-(?P<number>\d{6,})\.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardEntry:
    """What a manifest says of one shard.

    Attributes:
        shard: File name within the run directory.
        rows: Number of rows.
        size: Bytes of the file.
        sha256: SHA-256 of the file.
        keys_sha256: SHA-256 of its sorted row keys.
        schema_version: Row format of the file.
    """

    shard: str
    rows: int
    size: int
    sha256: str
    keys_sha256: str
    schema_version: int

    @property
    def order(self) -> tuple[str, int]:
        """Writer and number of the shard, the order in which duplicates are looked at."""
        match = _SHARD.fullmatch(self.shard)
        return (match["writer"], int(match["number"])) if match else (self.shard, 0)


def check_writer(writer: str) -> str:
    """Check the name of a writer, which becomes part of file names.

    Args:
        writer: Letters, digits, ".", "_" and "-", starting with a letter or digit, at most 64.

    Returns:
        The name itself.

    Raises:
        ConfigError: If it has another form.
    """
    if not _WRITER.fullmatch(writer):
        raise ConfigError(
            f"writer is {writer!r}; expected letters, digits, '.', '_' or '-', such as 'part-1-of-4'"
        )
    return writer


def shard_name(writer: str, number: int) -> str:
    """Name the file of a shard.

    Args:
        writer: Name of the writer.
        number: Number of the shard among the writer's own, from 0.

    Returns:
        The file name.
    """
    return f"shard-{writer}-{number:06d}.parquet"


def next_number(folder: Path, writer: str) -> int:
    """Find the number of a writer's next shard.

    Args:
        folder: Run directory.
        writer: Name of the writer.

    Returns:
        One more than the highest number on disk, listed or not, so that no file is ever overwritten.
    """
    matches = (_SHARD.fullmatch(path.name) for path in folder.iterdir())
    return 1 + max((int(m["number"]) for m in matches if m and m["writer"] == writer), default=-1)


def read_manifest(folder: Path, writer: str) -> tuple[ShardEntry, ...]:
    """Read the manifest of one writer.

    Args:
        folder: Run directory.
        writer: Name of the writer.

    Returns:
        Its shards in the order written; () if it has not written any.

    Raises:
        StoreError: If the manifest is damaged or of another schema version.
    """
    path = _path(folder, writer)
    return _read(path) if path.exists() else ()


def read_manifests(folder: Path) -> tuple[ShardEntry, ...]:
    """Read the manifests of all writers.

    Args:
        folder: Run directory.

    Returns:
        All shards of the run, by writer and number.

    Raises:
        StoreError: If a manifest is damaged or of another schema version.
    """
    entries = [entry for path in sorted(folder.glob("manifest-*.json")) for entry in _read(path)]
    return tuple(sorted(entries, key=lambda entry: entry.order))


def writer_names(folder: Path) -> tuple[str, ...]:
    """List the writers that have a manifest.

    Args:
        folder: Run directory.

    Returns:
        Their names in order.
    """
    files = sorted(folder.glob("manifest-*.json"))
    return tuple(path.name.removeprefix("manifest-").removesuffix(".json") for path in files)


def write_manifest(folder: Path, writer: str, entries: tuple[ShardEntry, ...]) -> None:
    """Replace the manifest of one writer atomically.

    Args:
        folder: Run directory.
        writer: Name of the writer.
        entries: All its shards.

    Raises:
        OSError: If it cannot be written; the old manifest is then untouched.
    """
    content = {
        "format": "scr_lens manifest",
        "schema_version": SCHEMA_VERSION,
        "writer": writer,
        "shards": [dataclasses.asdict(entry) for entry in entries],
    }
    atomic.write_bytes(_path(folder, writer), json.dumps(content, indent=1).encode() + b"\n")


def unlisted_shards(folder: Path) -> tuple[str, ...]:
    """Find shards that no manifest lists: a writer was killed between the shard and its manifest entry.

    Args:
        folder: Run directory.

    Returns:
        Their file names in order; they are ignored by every reader and their rows are computed again.
    """
    listed = {entry.shard for entry in read_manifests(folder)}
    return tuple(sorted(path.name for path in folder.glob("shard-*.parquet") if path.name not in listed))


def remove_leftovers(folder: Path, writer: str) -> None:
    """Remove the temporary files that a killed writer left; its complete files are never touched.

    Args:
        folder: Run directory.
        writer: Name of the writer; the caller holds its lock.
    """
    name = re.escape(writer)
    stale = re.compile(rf"\.(shard-{name}-\d{{6,}}\.parquet|manifest-{name}\.json)\.[0-9a-f]{{16}}\.tmp")
    for path in list(folder.iterdir()):
        if stale.fullmatch(path.name):
            path.unlink(missing_ok=True)


def check_version(place: object, version: object) -> None:
    """Refuse a file of another schema version.

    Args:
        place: The file, for the message.
        version: The version it declares.

    Raises:
        StoreError: If it is not the version of this package.
    """
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{place} has schema version {version!r} but this scr_lens reads version {SCHEMA_VERSION}; "
            "install the scr_lens that wrote it (see run.json), or start a new run directory"
        )


def _read(path: Path) -> tuple[ShardEntry, ...]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(
            f"cannot read {path}: {error}; restore it from a copy, its shards are intact"
        ) from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    check_version(path, version)
    return tuple(_entry(path, raw) for raw in content.get("shards", ()))


def _entry(path: Path, raw: Any) -> ShardEntry:
    try:
        entry = ShardEntry(**raw)
    except TypeError as error:
        raise StoreError(f"{path}: shard entry {raw!r} is damaged; restore the file from a copy") from error
    if not _SHARD.fullmatch(entry.shard) or "/" in entry.shard or "\\" in entry.shard:
        raise StoreError(
            f"{path}: {entry.shard!r} is not a shard of this directory; restore the file from a copy"
        )
    return entry


def _path(folder: Path, writer: str) -> Path:
    return folder / f"manifest-{writer}.json"
