"""Writing, reading, resuming and sharing a run."""

import datetime
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import scr_lens.store.provenance as provenance
from scr_lens.errors import ConfigError, DataError, StoreError
from scr_lens.store import (
    COLUMNS,
    RunStore,
    completed_keys,
    missing_image_digest,
    read_info,
    read_run,
    row_key,
    unlisted_shards,
)
from scr_lens.store.manifest import check_writer


def content(frame: pd.DataFrame) -> list[str]:
    """Rows as text without the time, so that arrays compare too."""
    return [
        repr({k: np.asarray(v).tolist() for k, v in row.items() if k != "wall_ms"})
        for _, row in frame.iterrows()
    ]


class TestFrame:
    def test_rows_come_back_in_key_order(self, tmp_path: Path, make_row: Any) -> None:
        rows = [make_row(i) for i in range(12)]
        with RunStore.create(tmp_path / "forward") as store:
            for row in rows:
                store.append([row])
            forward = store.read()
        with RunStore.create(tmp_path / "backward") as store:
            store.append(rows[:5:-1])
            store.append(rows[5::-1])
        assert list(forward["key"]) == sorted(row_key(row) for row in rows)
        assert content(forward) == content(read_run(tmp_path / "backward"))

    def test_types_and_maps(self, tmp_path: Path, make_row: Any) -> None:
        row = make_row(1)
        with RunStore.create(tmp_path) as store:
            absent = dict.fromkeys(
                ("resid_norm", "p_yes", "label", "grid_h", "attention", "sources", "neighbors")
            )
            store.append([row, make_row(2, **absent)])
        frame = read_run(tmp_path).set_index("image_id")
        full, sparse = frame.loc["1.jpg"], frame.loc["2.jpg"]
        assert full["resid_norm"].shape == (2, 6)
        assert full["resid_norm"].dtype == np.float32
        np.testing.assert_allclose(full["resid_norm"], row["resid_norm"].reshape(2, 6), rtol=2**-11)
        np.testing.assert_array_equal(full["attention"], row["attention"].ravel())
        assert full["sources"].dtype == np.int16
        assert full["splits"] == ("random", "popular")
        assert sparse["resid_norm"] is None
        assert sparse["label"] is None
        assert np.isnan(sparse["p_yes"])
        assert sparse["grid_h"] is pd.NA
        assert (frame["grid_h"].dtype, frame["p_yes"].dtype) == ("Int16", "float64")

    def test_columns_in_the_order_asked_for(self, tmp_path: Path, make_row: Any) -> None:
        with RunStore.create(tmp_path) as store:
            store.append([make_row(0)])
            assert list(store.read(["p_yes", "image_id"]).columns) == ["p_yes", "image_id"]
            assert store.read(["resid_norm"])["resid_norm"][0].shape == (2, 6)
            with pytest.raises(ConfigError, match="unknown column 'p_yess'; did you mean 'p_yes'"):
                store.read(["p_yess"])

    def test_empty_run_has_all_columns(self, tmp_path: Path, make_row: Any) -> None:
        with RunStore.create(tmp_path) as store:
            empty = store.read()
            assert store.append([]) is None
            store.append([make_row(0)])
            filled = store.read()
        assert list(empty.columns) == [column.name for column in COLUMNS]
        assert len(empty) == 0
        assert list(empty.dtypes) == list(filled.dtypes)


class TestAppend:
    def test_same_key_twice(self, tmp_path: Path, make_row: Any) -> None:
        with RunStore.create(tmp_path) as store:
            with pytest.raises(DataError, match=r"row 1 has key .* earlier in this batch"):
                store.append([make_row(0), make_row(0)])
            store.append([make_row(0)])
            with pytest.raises(DataError, match=r"row 0 has key .* stored by writer 'main' before"):
                store.append([make_row(0, p_yes=0.1)])
        with RunStore.open(tmp_path) as store:
            with pytest.raises(DataError, match="stored by writer 'main' before"):
                store.append([make_row(0)])
            assert len(store.read()) == 1

    def test_bad_row_stores_nothing_of_its_batch(self, tmp_path: Path, make_row: Any) -> None:
        with RunStore.create(tmp_path) as store:
            with pytest.raises(DataError, match="row 1"):
                store.append([make_row(0), make_row(1, p_yes=2.0)])
            assert store.completed_keys() == frozenset()
            assert not list(tmp_path.glob("shard-*"))

    def test_failed_row_can_be_tried_again(self, tmp_path: Path, make_row: Any) -> None:
        failed = make_row(0, status="failed", error="out of memory")
        with RunStore.create(tmp_path) as store:
            store.append([failed])
            assert store.completed_keys() == {row_key(failed)}
            assert store.completed_keys(include_failed=False) == frozenset()
            store.append([failed])
            store.append([make_row(0)])
            assert list(store.read()["status"]) == ["ok"]
            assert store.completed_keys(include_failed=False) == {row_key(failed)}

    def test_changed_image_is_refused(self, tmp_path: Path, make_row: Any) -> None:
        with RunStore.create(tmp_path) as store:
            store.append([make_row(0)])
        changed = make_row(0, image_sha256="f" * 64)
        with RunStore.open(tmp_path, writer="second") as store:
            with pytest.raises(DataError, match=r"image '0\.jpg' of 'pope' changed: .*restore the image"):
                store.append([changed])
            with pytest.raises(DataError, match="changed"):
                store.check_image("pope", "0.jpg", "e" * 64)
            store.append([{**changed, "benchmark": "other"}])

    def test_broken_image_may_be_replaced(self, tmp_path: Path, make_row: Any) -> None:
        broken = make_row(
            0, status="failed", error="no such file", image_sha256=missing_image_digest("0.jpg")
        )
        with RunStore.create(tmp_path) as store:
            store.append([broken])
        with RunStore.open(tmp_path) as store:
            store.append([make_row(0)])
            assert sorted(store.read()["status"]) == ["failed", "ok"]

    def test_closed_store(self, tmp_path: Path, make_row: Any) -> None:
        store = RunStore.create(tmp_path)
        store.close()
        store.close()
        with pytest.raises(StoreError, match=r"writer 'main' of .* is closed; open the run again"):
            store.append([make_row(0)])


class TestWriters:
    def test_union_of_writers(self, tmp_path: Path, make_row: Any) -> None:
        rows = [make_row(i) for i in range(6)]
        with RunStore.create(tmp_path / "one") as store:
            store.append(rows)
        with (
            RunStore.create(tmp_path / "two", writer="part-1") as first,
            RunStore.open(tmp_path / "two", writer="part-1-000000") as second,
        ):
            for row in rows[::2]:
                first.append([row])
            second.append(rows[1::2])
            assert first.completed_keys() == second.completed_keys() == {row_key(row) for row in rows}
        assert content(read_run(tmp_path / "one")) == content(read_run(tmp_path / "two"))

    def test_identical_duplicates_count_once_whatever_their_time(self, tmp_path: Path, make_row: Any) -> None:
        for writer, ms in (("b", 5.0), ("a", 7.0)):
            with RunStore.create(tmp_path, writer=writer, exist_ok=True) as store:
                store.append([make_row(0, wall_ms=ms), make_row(1, wall_ms=ms)])
        frame = read_run(tmp_path)
        assert len(frame) == 2
        assert list(frame["wall_ms"]) == [7.0, 7.0]  # the first writer by name, not the first in time

    def test_contradicting_duplicates_are_refused(self, tmp_path: Path, make_row: Any) -> None:
        for writer, p in (("a", 0.25), ("b", 0.5)):
            with RunStore.create(tmp_path, writer=writer, exist_ok=True) as store:
                store.append([make_row(5), make_row(0, p_yes=p)])
        key = row_key(make_row(0))
        pattern = rf"shard-a-000000\.parquet and shard-b-000000\.parquet disagree on row {key} in p_yes;"
        with pytest.raises(StoreError, match=pattern):
            read_run(tmp_path, ["image_id"])

    def test_ok_row_of_one_writer_beats_failed_row_of_another(self, tmp_path: Path, make_row: Any) -> None:
        with RunStore.create(tmp_path, writer="a") as store:
            store.append([make_row(0, status="failed", error="x"), make_row(1, status="failed", error="x")])
        with RunStore.open(tmp_path, writer="b") as store:
            store.append([make_row(0), make_row(1, status="failed", error="y")])
        frame = read_run(tmp_path).set_index("image_id")
        assert list(frame.loc[["0.jpg", "1.jpg"], "status"]) == ["ok", "failed"]
        assert frame.loc["1.jpg", "error"] == "x"

    def test_one_name_one_process(self, tmp_path: Path) -> None:
        with (
            RunStore.create(tmp_path, writer="a"),
            pytest.raises(StoreError, match=r"writer 'a' of .* is in use by a running process"),
        ):
            RunStore.open(tmp_path, writer="a")
        RunStore.open(tmp_path, writer="a").close()

    @pytest.mark.parametrize("name", ["", "a/b", "../x", ".x", "a b", "x" * 65, "a\n"])
    def test_bad_names(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ConfigError, match=r"writer is .*; expected letters"):
            RunStore.create(tmp_path / "run", writer=name)
        assert not (tmp_path / "run").exists()
        with pytest.raises(ConfigError):
            check_writer(name)

    def test_directories_made_apart_are_merged_by_copying(self, tmp_path: Path, make_row: Any) -> None:
        for name in ("a", "b"):
            with RunStore.create(tmp_path / name, writer=name) as store:
                store.append([make_row(ord(name))])
        for path in (tmp_path / "b").glob("*-b*"):
            (tmp_path / "a" / path.name).write_bytes(path.read_bytes())
        assert set(read_run(tmp_path / "a")["image_id"]) == {"97.jpg", "98.jpg"}


class TestRunInfo:
    def test_what_is_written_down(self, tmp_path: Path) -> None:
        before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        RunStore.create(tmp_path, config={"lambda": 1.1}, seeds={"bootstrap": 3}, device="cpu").close()
        info = read_info(tmp_path)
        assert info["config"] == {"lambda": 1.1}
        assert info["seeds"] == {"bootstrap": 3}
        assert info["device"] == "cpu"
        assert set(info["versions"]) >= {"scr_lens", "torch", "transformers", "nnsight", "numpy"}
        assert info["versions"]["numpy"] == np.__version__
        assert datetime.datetime.fromisoformat(info["created_utc"]) >= before
        assert info["git"] is None or set(info["git"]) == {"commit", "dirty"}

    def test_git_state_is_none_outside_a_tree_or_without_git(self, tmp_path: Path, monkeypatch: Any) -> None:
        assert provenance.git_state(tmp_path) is None
        monkeypatch.setenv("PATH", str(tmp_path))
        assert provenance.git_state(Path(__file__).parent) is None

    def test_version_of_a_package_that_is_not_installed(self, monkeypatch: Any) -> None:
        monkeypatch.setattr(provenance, "_DISTRIBUTIONS", {"x": "no-such-distribution-xyz"})
        assert provenance.describe_run(None, None, None)["versions"] == {"x": None}

    def test_existing_run(self, tmp_path: Path) -> None:
        RunStore.create(tmp_path, config={"a": 1}).close()
        with pytest.raises(StoreError, match="already holds a run; open it to resume"):
            RunStore.create(tmp_path, config={"a": 1})
        RunStore.create(tmp_path, config={"a": 1}, exist_ok=True).close()
        with pytest.raises(StoreError, match=r"holds another run: config\.a is 1, not 2"):
            RunStore.create(tmp_path, config={"a": 2}, exist_ok=True)

    def test_settings_that_are_not_plain(self, tmp_path: Path) -> None:
        for bad in (object(), float("nan")):
            with pytest.raises(ConfigError, match="run settings cannot be kept as JSON"):
                RunStore.create(tmp_path / "run", config={"a": bad})

    def test_no_run_there(self, tmp_path: Path) -> None:
        for use in (read_run, completed_keys, RunStore.open):
            with pytest.raises(StoreError, match=r"is not a run directory \(no run.json in it\)"):
                use(tmp_path)
        file = tmp_path / "file"
        file.touch()
        with pytest.raises(StoreError, match=r"already holds|cannot read|cannot create"):
            RunStore.create(file)


def test_unlisted_shard_is_ignored_reported_and_never_overwritten(
    tmp_path: Path, make_row: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with RunStore.create(tmp_path) as store:
        store.append([make_row(0)])
    orphan = tmp_path / "shard-main-000004.parquet"
    orphan.write_bytes(b"half a write")
    with caplog.at_level(logging.WARNING), RunStore.open(tmp_path) as store:
        assert store.unlisted_shards() == unlisted_shards(tmp_path) == (orphan.name,)
        entry = store.append([make_row(1)])
        assert len(store.read()) == 2
    assert entry is not None
    assert entry.shard == "shard-main-000005.parquet"
    assert orphan.read_bytes() == b"half a write"
    assert f"ignoring {orphan.name}, which no manifest lists" in caplog.text


def test_manifest_lists_what_was_written(tmp_path: Path, make_row: Any) -> None:
    with RunStore.create(tmp_path, writer="w") as store:
        store.append([make_row(0), make_row(1)])
        store.append([make_row(2)])
    listed = json.loads((tmp_path / "manifest-w.json").read_text())
    assert (listed["writer"], listed["schema_version"]) == ("w", 1)
    assert [(s["shard"], s["rows"]) for s in listed["shards"]] == [
        ("shard-w-000000.parquet", 2),
        ("shard-w-000001.parquet", 1),
    ]
    assert all(s["size"] == (tmp_path / s["shard"]).stat().st_size for s in listed["shards"])
