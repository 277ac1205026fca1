"""Kill -9 at random moments, resume, compare with a run that was never interrupted."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import store_child

from scr_lens.store import RunStore, completed_keys, read_run, row_key

pytestmark = pytest.mark.slow

Child = subprocess.Popen[str]


def start(run: Path, writer: str, first: int, step: int, gate: str = "free") -> Child:
    script = Path(store_child.__file__)
    command = [sys.executable, str(script), str(run), writer, str(first), str(step), gate]
    folder = Path(__file__).parents[2]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder)


def kill_during(child: Child, append: int, seconds: float) -> None:
    """Let a gated child do some appends, and kill it `seconds` after it was let into the next one."""
    assert child.stdin is not None
    assert child.stdout is not None
    for _ in range(append):
        child.stdin.write("go\n")
        child.stdin.flush()
        assert child.stdout.readline(), "the child ended before it could be killed"
    child.stdin.write("go\n")
    child.stdin.flush()
    time.sleep(seconds)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL


def finish(child: "subprocess.Popen[str]") -> None:
    child.communicate()
    assert child.returncode == 0


def rows(run: Path) -> list[str]:
    frame: pd.DataFrame = read_run(run).drop(columns="wall_ms")
    cells: list[Any] = frame.to_dict("records")
    return [repr({name: np.asarray(value).tolist() for name, value in row.items()}) for row in cells]


def uninterrupted(run: Path) -> list[str]:
    with RunStore.create(run, config=store_child.CONFIG) as store:
        store.append([row for number in range(store_child.N_BATCHES) for row in store_child.batch(number)])
    return rows(run)


def test_killed_six_times_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    generator = random.Random(20)
    run, before = tmp_path / "run", 0
    for _ in range(6):
        kill_during(start(run, "main", 0, 1, "gated"), generator.randint(1, 4), generator.random() * 0.012)
        kept = len(completed_keys(run))
        assert kept >= before + store_child.ROWS_PER_BATCH  # every announced append survived
        assert kept % store_child.ROWS_PER_BATCH == 0  # no half batch
        before = kept
    assert before < store_child.N_BATCHES * store_child.ROWS_PER_BATCH
    finish(start(run, "main", 0, 1))
    assert rows(run) == uninterrupted(tmp_path / "reference")
    assert not list(run.glob(".*.tmp"))


def test_two_writers_at_once_with_kills_equal_one(tmp_path: Path) -> None:
    generator = random.Random(7)
    run = tmp_path / "run"
    for _ in range(2):
        pair = [start(run, f"part-{i}", i, 2, "gated") for i in range(2)]
        for child in pair:
            kill_during(child, generator.randint(1, 3), generator.random() * 0.012)
    pair = [start(run, f"part-{i}", i, 2) for i in range(2)]
    for child in pair:
        finish(child)
    assert rows(run) == uninterrupted(tmp_path / "reference")


def test_two_writers_racing_for_the_same_rows(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for child in [start(run, f"part-{i}", 0, 1) for i in range(2)]:
        finish(child)
    assert rows(run) == uninterrupted(tmp_path / "reference")
    assert len(completed_keys(run)) == len({row_key(store_child.row(i)) for i in range(120)}) == 120
