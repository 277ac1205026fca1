"""Damaged runs and failing disks: the error names the file and says what to do; stored rows stay."""

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import store_child

from scr_lens.errors import StoreError
from scr_lens.store import RunStore, completed_keys, read_run, row_key
from scr_lens.store.manifest import read_manifests

SHARD = "shard-main-000001.parquet"
MANIFEST = "manifest-main.json"
REMEDY = r"; restore the file from a copy, or delete its entry in manifest-main\.json and run again"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with RunStore.create(tmp_path / "run") as store:
        for number in range(3):
            store.append(store_child.batch(number))
    return tmp_path / "run"


def relist(run: Path, **changes: Any) -> None:
    """Change the manifest entry of the second shard."""
    content = json.loads((run / MANIFEST).read_text())
    content["shards"][1].update(changes)
    (run / MANIFEST).write_text(json.dumps(content))


def disguise(run: Path) -> None:
    """Make the manifest agree with the shard's present bytes, so that deeper checks are reached."""
    content = (run / SHARD).read_bytes()
    relist(run, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def assert_refused(run: Path, message: str) -> None:
    for use in (read_run, completed_keys, RunStore.open):
        with pytest.raises(StoreError, match=message) as caught:
            use(run)
        assert "\n" not in str(caught.value)


def test_missing_shard(run: Path) -> None:
    (run / SHARD).unlink()
    assert_refused(run, rf"{SHARD} is missing although its manifest lists it{REMEDY}")


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_truncated_shard(run: Path, kept: int) -> None:
    whole = (run / SHARD).read_bytes()
    (run / SHARD).write_bytes(whole[:kept])
    assert_refused(run, rf"{SHARD} is truncated: {len(whole[:kept])} bytes of {len(whole)}{REMEDY}")


def test_every_flipped_byte_is_noticed(run: Path) -> None:
    whole = (run / SHARD).read_bytes()
    for position in range(0, len(whole), len(whole) // 7):
        (run / SHARD).write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(StoreError, match=f"{SHARD} was changed after it was written: .*{REMEDY}"):
            read_run(run)


def test_file_that_is_not_parquet(run: Path) -> None:
    (run / SHARD).write_bytes(b"not parquet at all")
    disguise(run)
    assert_refused(run, rf"{SHARD} is not readable as Parquet \(.*\){REMEDY}")


def test_shard_of_another_schema_version(run: Path) -> None:
    table = pq.read_table(run / SHARD)
    pq.write_table(table.replace_schema_metadata({"scr_lens_schema_version": "2"}), run / SHARD)
    disguise(run)
    assert_refused(run, rf"{SHARD} has schema version 2 but this scr_lens reads version 1; install")


def test_shard_of_another_program(run: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), run / SHARD)
    disguise(run)
    assert_refused(run, rf"{SHARD} has schema version None but this scr_lens reads version 1")


def test_shard_with_other_rows(run: Path) -> None:
    table = pq.read_table(run / SHARD)
    pq.write_table(table.slice(0, 2), run / SHARD)
    disguise(run)
    assert_refused(run, rf"{SHARD} does not hold the 3 rows that its manifest lists{REMEDY}")
    pq.write_table(pq.read_table(run / "shard-main-000002.parquet"), run / SHARD)
    disguise(run)
    assert_refused(run, "does not hold the 3 rows")


def test_manifest_faults(run: Path) -> None:
    whole = (run / MANIFEST).read_bytes()
    (run / MANIFEST).write_bytes(whole[:50])
    assert_refused(run, rf"cannot read .*{MANIFEST}: .*; restore it from a copy, its shards are intact")
    (run / MANIFEST).write_bytes(whole.replace(b'"schema_version": 1', b'"schema_version": 7', 1))
    assert_refused(run, rf"{MANIFEST} has schema version 7")
    (run / MANIFEST).write_bytes(whole)
    relist(run, schema_version=3)
    assert_refused(run, rf"{SHARD} has schema version 3")
    relist(run, schema_version=1, colour="red")
    assert_refused(run, rf"{MANIFEST}: shard entry .*'colour': 'red'.* is damaged")
    (run / MANIFEST).write_bytes(whole)
    relist(run, shard="../shard-main-000001.parquet")
    assert_refused(run, "is not a shard of this directory")


def test_run_json_faults(run: Path) -> None:
    (run / "run.json").write_text("{")
    assert_refused(run, r"cannot read .*run\.json: .*; restore it from a copy")
    (run / "run.json").write_text('{"schema_version": 9}')
    assert_refused(run, r"run\.json has schema version 9")


def test_the_remedy_works(run: Path) -> None:
    (run / SHARD).write_bytes(b"")
    content = json.loads((run / MANIFEST).read_text())
    del content["shards"][1]
    (run / MANIFEST).write_text(json.dumps(content))
    with RunStore.open(run) as store:
        assert store.unlisted_shards() == (SHARD,)
        missing = [row for row in store_child.batch(1) if row_key(row) not in store.completed_keys()]
        assert len(missing) == 3
        store.append(missing)
        assert len(store.read()) == 9


@pytest.mark.parametrize("step", ["open", "fsync", "link", "replace", "unlink"])
@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
def test_append_that_fails_at_any_step_can_be_repeated(
    run: Path, monkeypatch: pytest.MonkeyPatch, step: str, kind: type[BaseException]
) -> None:
    """Fail the n-th call of a system function for every n until an append gets through."""
    real = getattr(os, step)
    with RunStore.open(run) as store:
        for failing in range(20):
            calls = iter(range(1000))

            def faulty(*args: Any, _at: int = failing, _calls: Any = calls, **kwargs: Any) -> Any:
                if next(_calls) == _at:
                    raise kind(errno.ENOSPC, os.strerror(errno.ENOSPC)) if kind is OSError else kind()
                return real(*args, **kwargs)

            before = completed_keys(run)
            monkeypatch.setattr(os, step, faulty)
            try:
                store.append(store_child.batch(3))
            except (StoreError, KeyboardInterrupt) as error:
                monkeypatch.undo()
                if kind is OSError:
                    assert "cannot append 3 rows to" in str(error)
                    assert "No space left on device; earlier rows are safe" in str(error)
                assert completed_keys(run) - before in (set(), {row_key(r) for r in store_child.batch(3)})
                assert not list(run.glob(".*.tmp")) or step == "unlink"
                continue
            monkeypatch.undo()
            break
        assert failing > 0, "no fault was injected"
        assert len(store.read()) == 12


def test_leftovers_of_a_killed_writer_are_removed_and_nothing_else(run: Path) -> None:
    token = "0123456789abcdef"
    own = [f".shard-main-000003.parquet.{token}.tmp", f".manifest-main.json.{token}.tmp"]
    others = [f".shard-main-2-000003.parquet.{token}.tmp", f".manifest-b.json.{token}.tmp", "notes.tmp"]
    for name in own + others:
        (run / name).touch()
    RunStore.open(run).close()
    names = {path.name for path in run.iterdir()}
    assert not names & set(own)
    assert names >= set(others)


def test_read_only_directory(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StoreError, match=r"cannot write to .*: Permission denied; give a writable directory"):
        RunStore.open(run)
    assert len(read_run(run)) == 9
    assert len(read_manifests(run)) == 3
