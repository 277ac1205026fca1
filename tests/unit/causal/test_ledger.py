import pandas as pd
import pytest

from scr_lens.causal.ledger import Ledger, read_ledger, unit_key
from scr_lens.errors import DataError, StoreError

ABOUT = {"config": {"model": "m"}, "seeds": {"draw": 0}}
ROWS = [{"image_id": "a", "value": 1.5, "map": [1.0, 2.0]}, {"image_id": "b", "value": 2.5, "map": [3.0]}]


def test_records_come_back_in_the_order_of_the_plan(tmp_path):
    with Ledger(tmp_path, "dose", ABOUT) as ledger:
        ledger.append("u2", ROWS[1:])
        ledger.append("u1", ROWS[:1])
        assert ledger.done == {"u1", "u2"}
        whole = ledger.finish(["u1", "u2"])
    assert whole["image_id"].tolist() == ["a", "b"] and list(whole["map"][1]) == [3.0]
    assert [path.name for path in sorted((tmp_path / "dose").glob("*.parquet"))] == ["records.parquet"]
    pd.testing.assert_frame_equal(read_ledger(tmp_path, "dose"), whole)
    with Ledger(tmp_path, "dose", ABOUT) as again:
        assert again.done == {"u1", "u2"}
        before = (tmp_path / "dose" / "records.parquet").stat().st_mtime_ns
        pd.testing.assert_frame_equal(again.finish(["u1", "u2"]), whole)
    assert (tmp_path / "dose" / "records.parquet").stat().st_mtime_ns == before


def test_a_stopped_test_keeps_its_units(tmp_path):
    with Ledger(tmp_path, "dose", ABOUT) as ledger:
        ledger.append("u1", ROWS[:1])
    assert len(read_ledger(tmp_path, "dose")) == 1
    with Ledger(tmp_path, "dose", ABOUT) as ledger:
        assert ledger.done == {"u1"}
        with pytest.raises(StoreError, match="1 of 2 units are not done; run the test again"):
            ledger.finish(["u1", "u2"])


def test_a_part_left_by_a_killed_finish_is_not_counted_twice(tmp_path):
    with Ledger(tmp_path, "dose", ABOUT) as ledger:
        ledger.append("u1", ROWS[:1])
        part = (tmp_path / "dose" / "part-u1.parquet").read_bytes()
        ledger.finish(["u1"])
    (tmp_path / "dose" / "part-u1.parquet").write_bytes(part)
    assert len(read_ledger(tmp_path, "dose")) == 1


def test_other_settings_damage_and_a_second_writer_are_refused(tmp_path):
    with (
        Ledger(tmp_path, "dose", ABOUT) as ledger,
        pytest.raises(StoreError, match="in use by a running process"),
    ):
        ledger.append("u1", ROWS[:1])
        Ledger(tmp_path, "dose", ABOUT)
    with pytest.raises(StoreError, match=r"of another model or of other settings \(config differ\)"):
        Ledger(tmp_path, "dose", {**ABOUT, "config": {"model": "n"}})
    (tmp_path / "dose" / "part-u1.parquet").write_bytes(b"broken")
    with pytest.raises(StoreError, match="delete it and run the test again"):
        Ledger(tmp_path, "dose", ABOUT)
    with pytest.raises(DataError, match="no records; run `scr-lens causal"):
        read_ledger(tmp_path, "prior")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="give a writable folder"):
        Ledger(tmp_path / "file", "dose", ABOUT)


def test_unit_keys_depend_on_every_name():
    keys = {unit_key("a", "b"), unit_key("ab"), unit_key("b", "a"), unit_key("a", "b", 1)}
    assert len(keys) == 4 and unit_key("a", 1) == unit_key("a", 1)
