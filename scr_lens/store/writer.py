"""A run directory open for writing: append-only, safe against kills, shared by several processes."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import pyarrow.parquet as pq

from scr_lens.errors import ConfigError, DataError, StoreError
from scr_lens.store import atomic, reader
from scr_lens.store.conditions import add_conditions
from scr_lens.store.differences import different_settings
from scr_lens.store.keys import keys_digest
from scr_lens.store.lock import WriterLock
from scr_lens.store.manifest import (
    ShardEntry,
    check_writer,
    next_number,
    read_manifest,
    read_manifests,
    remove_leftovers,
    shard_name,
    unlisted_shards,
    write_manifest,
)
from scr_lens.store.provenance import describe_run
from scr_lens.store.rows import Row, to_table
from scr_lens.store.schema import SCHEMA_VERSION


class RunStore:
    """One writer of a run directory.

    A run directory holds run.json (how the run was made), shards `shard-<writer>-<n>.parquet` and one
    `manifest-<writer>.json` per writer. A shard counts once its writer's manifest lists it. Writers of
    different names, in one process or on several machines with a shared disk, never touch each other's files;
    directories of one run made apart are merged by copying their shards and manifests together.

    Use it as a context manager, or call `close`.
    """

    def __init__(self, path: str | Path, writer: str) -> None:
        """Open for writing; use `create` or `open`."""
        self.path = reader.run_folder(path)
        self.writer = check_writer(writer)
        self._lock = WriterLock(self.path, self.writer)
        try:
            remove_leftovers(self.path, self.writer)
            self._ok_keys, self._images = _scan(self.path, self.writer)
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        config: Mapping[str, Any] | None = None,
        seeds: Mapping[str, int] | None = None,
        device: str | None = None,
        writer: str = "main",
        exist_ok: bool = False,
    ) -> Self:
        """Start a run directory.

        Args:
            path: Directory to create; its parents are created too.
            config: Settings of the run as plain values, kept in run.json. `conditions` may be a list
                of tables, each with a `name`.
            seeds: Every seed by its purpose.
            device: Device of the model in words.
            writer: Name of this writer; each process on one directory needs its own.
            exist_ok: Join an existing run if it has the same settings and seeds, instead of refusing. New
                conditions are added to it; those that are left out stay.

        Returns:
            The store, open for writing.

        Raises:
            StoreError: If the run exists, or exists with other settings, or the disk refuses.
            ConfigError: If the writer's name cannot be part of a file name, or the settings are not plain.
        """
        check_writer(writer)
        content = _run_json(describe_run(config, seeds, device))
        try:
            Path(path).mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(Path(path) / "run.json", content, overwrite=False)
        except FileExistsError:
            _join(Path(path), json.loads(content), exist_ok=exist_ok)
        except OSError as error:
            raise StoreError(f"cannot create {path}: {error.strerror}; give a writable folder") from error
        return cls(path, writer)

    @classmethod
    def open(cls, path: str | Path, *, writer: str = "main") -> Self:
        """Open an existing run directory for writing, for instance to resume it.

        Args:
            path: Run directory.
            writer: Name of this writer.

        Returns:
            The store, open for writing.

        Raises:
            StoreError: If there is no such run, it is damaged, or the writer is in use by a running process.
            ConfigError: If the writer's name cannot be part of a file name.
        """
        return cls(path, writer)

    def append(self, rows: Sequence[Row]) -> ShardEntry | None:
        """Store rows as one shard: afterwards all of them are on disk, or, after an error, none.

        Args:
            rows: Rows by column name; see `schema.COLUMNS`. `key` may be left out.

        Returns:
            What the manifest now says of the shard; None for no rows.

        Raises:
            DataError: If a row does not fit the schema, a key is in the shard or among this writer's ok rows
                already, or an image has other bytes than in an earlier row.
            StoreError: If the disk refuses, for instance because it is full.
        """
        self._check_open()
        if not rows:
            return None
        table = to_table(rows)
        cells = table.select(["key", "status", "benchmark", "image_id", "image_sha256"]).to_pylist()
        self._check_new([cell["key"] for cell in cells])
        for cell in cells:
            if cell["status"] == "ok":
                self.check_image(cell["benchmark"], cell["image_id"], cell["image_sha256"])
        entry = self._write(table)
        _remember(cells, self._ok_keys, self._images)
        return entry

    def completed_keys(self, *, include_failed: bool = True) -> frozenset[str]:
        """List the row keys that any writer of this run has stored; see `reader.completed_keys`."""
        return reader.completed_keys(self.path, include_failed=include_failed)

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read the whole run, of all writers; see `reader.read_run`."""
        return reader.read_run(self.path, columns)

    def info(self) -> dict[str, Any]:
        """Read how the run was made; see `reader.read_info`."""
        return reader.read_info(self.path)

    def unlisted_shards(self) -> tuple[str, ...]:
        """List shards that no manifest lists; see `manifest.unlisted_shards`."""
        return unlisted_shards(self.path)

    def check_image(self, benchmark: str, image_id: str, image_sha256: str) -> None:
        """Refuse an image whose file changed since its first rows were stored.

        Args:
            benchmark: Name of the question set.
            image_id: Name of the image in it.
            image_sha256: Hash of the file as it is now.

        Raises:
            DataError: If ok rows of this name have another hash.
        """
        known = self._images.setdefault((benchmark, image_id), image_sha256)
        if known != image_sha256:
            raise DataError(
                f"image {image_id!r} of {benchmark!r} changed: its SHA-256 was {known} in stored rows and is "
                f"{image_sha256} now; restore the image or start a new run directory"
            )

    def close(self) -> None:
        """Release the writer's name; harmless when called again."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if not self._lock.held:
            raise StoreError(f"writer {self.writer!r} of {self.path} is closed; open the run again to append")

    def _check_new(self, keys: Sequence[str]) -> None:
        seen: set[str] = set()
        for index, key in enumerate(keys):
            if key in seen or key in self._ok_keys:
                place = "earlier in this batch" if key in seen else f"stored by writer {self.writer!r} before"
                raise DataError(f"row {index} has key {key}, which was {place}; leave out rows that are done")
            seen.add(key)

    def _write(self, table: Any) -> ShardEntry:
        """Write the shard, then the manifest, read again each time: a failed write leaves no false state."""
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        content = buffer.getvalue()
        try:
            entry = ShardEntry(
                shard=shard_name(self.writer, next_number(self.path, self.writer)),
                rows=table.num_rows,
                size=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                keys_sha256=keys_digest(table.column("key").to_pylist()),
                schema_version=SCHEMA_VERSION,
            )
            atomic.write_bytes(self.path / entry.shard, content, overwrite=False)
            write_manifest(self.path, self.writer, (*read_manifest(self.path, self.writer), entry))
        except OSError as error:
            raise StoreError(
                f"cannot append {table.num_rows} rows to {self.path}: {error.strerror}; earlier rows are "
                "safe: make room or fix the disk, then run again to resume"
            ) from error
        return entry


def _scan(folder: Path, writer: str) -> tuple[set[str], dict[tuple[str, str], str]]:
    """Check all shards; collect the ok keys of one writer and the image hashes of all."""
    own = {entry.shard for entry in read_manifest(folder, writer)}
    keys: set[str] = set()
    images: dict[tuple[str, str], str] = {}
    for entry in read_manifests(folder):
        shard = reader.load_shard(folder, entry, {"key", "status", "benchmark", "image_id", "image_sha256"})
        _remember(shard.to_pylist(), keys if entry.shard in own else set(), images)
    return keys, images


def _remember(cells: Sequence[Row], ok_keys: set[str], images: dict[tuple[str, str], str]) -> None:
    for cell in cells:
        if cell["status"] == "ok":
            ok_keys.add(cell["key"])
            images.setdefault((cell["benchmark"], cell["image_id"]), cell["image_sha256"])


def _run_json(info: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(info, indent=1, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise ConfigError(f"run settings cannot be kept as JSON ({error}); give plain values") from error


def _join(path: Path, wanted: Mapping[str, Any], *, exist_ok: bool) -> None:
    """Refuse another run; add conditions that the run lacks."""
    if not exist_ok:
        raise StoreError(f"{path} already holds a run; open it to resume, or give another directory")
    existing = reader.read_info(path)
    difference = different_settings(existing, wanted)
    if difference:
        raise StoreError(
            f"{path} holds another run: {difference}; give another directory or the same settings"
        )
    try:
        add_conditions(path, existing, wanted)
    except FileExistsError:
        _join(path, wanted, exist_ok=exist_ok)  # another process added it a moment ago: compare with that
    except OSError as error:
        raise StoreError(f"cannot write to {path}: {error.strerror}; give a writable folder") from error
