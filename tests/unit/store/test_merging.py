import numpy as np
import pytest

from scr_lens.errors import StoreError
from scr_lens.store import RunStore, completed_keys, merge_runs, read_info, read_run


def store(path, rows, *, writer="main", config=None):
    with RunStore.create(path, config=config or {"a": 1}, writer=writer, exist_ok=True) as opened:
        opened.append(rows)
    return path


def cells(run):
    frame = read_run(run).drop(columns="wall_ms")
    return [repr({k: np.asarray(v).tolist() for k, v in row.items()}) for row in frame.to_dict("records")]


def test_parts_make_the_whole(tmp_path, make_row):
    rows = [make_row(n) for n in range(6)]
    whole = store(tmp_path / "whole", rows)
    parts = [store(tmp_path / f"part{k}", rows[k::3]) for k in range(3)]  # all by a writer named main
    store(parts[0], [make_row(7)], writer="other")
    store(whole, [make_row(7)], writer="other")
    assert merge_runs(parts, tmp_path / "merged") == 7
    assert cells(tmp_path / "merged") == cells(whole)
    assert read_info(tmp_path / "merged") == read_info(parts[0])
    with RunStore.open(tmp_path / "merged") as opened:  # it can be gone on with
        opened.append([make_row(8)])
    assert len(completed_keys(tmp_path / "merged")) == 8


def test_shared_rows_are_kept_once(tmp_path, make_row):
    parts = [store(tmp_path / name, [make_row(1), make_row(n)]) for n, name in ((2, "a"), (3, "b"))]
    assert merge_runs(parts, tmp_path / "merged") == 3


def test_what_cannot_be_merged(tmp_path, make_row):
    first = store(tmp_path / "a", [make_row(1)])
    other = store(tmp_path / "b", [make_row(1)], config={"a": 2})
    with pytest.raises(
        StoreError, match=r"are different runs: config\.a is 1, not 2; merge shards of one run"
    ):
        merge_runs([first, other], tmp_path / "out")
    with pytest.raises(StoreError, match="exists already; give a new directory"):
        merge_runs([first], other)
    with pytest.raises(StoreError, match="is not a run directory"):
        merge_runs([first, tmp_path], tmp_path / "out")
    contrary = store(tmp_path / "c", [make_row(1, p_yes=0.123)])
    with pytest.raises(StoreError, match="disagree on row"):
        merge_runs([first, contrary], tmp_path / "out")
    shard = next(first.glob("shard-*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(StoreError, match="is truncated"):
        merge_runs([first], tmp_path / "out")
    assert {p.name for p in tmp_path.iterdir()} == {"a", "b", "c"}  # nothing half made is left


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({"x": {"y": 1}}, {"x": {"y": 2}}, "config.x.y is 1, not 2"),
        ({"x": [1, {"z": "p"}]}, {"x": [1, {"z": "q"}]}, r'config.x\[1\].z is "p", not "q"'),
        ({"x": [1]}, {"x": [1, 2]}, r"config.x is \[1\], not \[1, 2\]"),
        ({"x": None}, {}, "config.x is null, not null|config is"),
    ],
)
def test_the_difference_is_named(tmp_path, make_row, old, new, message):
    store(tmp_path / "a", [make_row(1)], config=old)
    with pytest.raises(StoreError, match=message):
        RunStore.create(tmp_path / "a", config=new or {"w": 1}, exist_ok=True)
