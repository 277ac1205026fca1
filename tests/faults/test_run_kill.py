"""Kill -9 of a real run of a tiny model at random moments, resume, compare with one never interrupted."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import run_child

from scr_lens.store import read_run

pytestmark = pytest.mark.slow

KILLS = 20


class Nursery:
    """The process that forks children."""

    def __init__(self, folder: Path) -> None:
        tests = Path(run_child.__file__).parents[1]
        paths = os.pathsep.join([str(tests.parent), str(tests)])
        self.process = subprocess.Popen(
            [sys.executable, run_child.__file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )
        assert self._answer() == "ready"

    def start(self, run: Path, shard: str = "1/1") -> int:
        self._ask(f"{run} {shard}")
        return int(self._answer())

    def wait(self, child: int) -> int:
        self._ask(f"wait {child}")
        return int(self._answer())

    def close(self) -> None:
        self.process.communicate()

    def _ask(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        answer = self.process.stdout.readline().strip()
        assert answer, "the nursery died"
        return answer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    run_child.write_questions(folder)
    return folder


@pytest.fixture(scope="module")
def nursery(folder: Path) -> Iterator[Nursery]:
    nursery = Nursery(folder)
    yield nursery
    nursery.close()


def rows(run: Path) -> list[str]:
    frame = read_run(run).drop(columns="wall_ms")
    return [repr({k: np.asarray(v).tolist() for k, v in row.items()}) for row in frame.to_dict("records")]


@pytest.fixture(scope="module")
def whole(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    run = tmp_path_factory.mktemp("whole") / "run"
    assert nursery.wait(nursery.start(run)) == 0
    found = rows(run)
    assert len(found) == run_child.N_IMAGES * len(run_child.OBJECTS) * 2
    return found


def shards(run: Path) -> int:
    return len(list(run.glob("shard-*.parquet")))


def wait_for(run: Path, count: int) -> None:
    deadline = time.monotonic() + 300
    while shards(run) < count:
        assert time.monotonic() < deadline, "the child stores nothing"
        time.sleep(0.001)


def kill(nursery: Nursery, child: int) -> None:
    os.kill(child, signal.SIGKILL)
    assert nursery.wait(child) == -signal.SIGKILL


def test_killed_at_twenty_random_moments(nursery: Nursery, whole: list[str], tmp_path: Path) -> None:
    generator, run = random.Random(5), tmp_path / "run"
    for number in range(KILLS):
        before = shards(run)
        child = nursery.start(run)
        if number % 4:  # else anywhere from the start on, before the first row too
            wait_for(run, before + generator.randint(1, 2))
        time.sleep(generator.random() * 0.03)
        kill(nursery, child)
        if (run / "run.json").exists():
            kept = rows(run)
            assert set(kept) <= set(whole)
            assert len(kept) % (2 * len(run_child.OBJECTS)) == 0
    assert 0 < len(rows(run)) < len(whole)  # every kill met a run that was not finished
    assert nursery.wait(nursery.start(run)) == 0
    assert rows(run) == whole
    assert not list(run.glob(".*.tmp"))


def test_two_shards_at_once_with_kills(nursery: Nursery, whole: list[str], tmp_path: Path) -> None:
    generator, run = random.Random(6), tmp_path / "run"
    for _ in range(3):
        before = shards(run)
        pair = [nursery.start(run, shard) for shard in ("1/2", "2/2")]
        wait_for(run, before + generator.randint(1, 4))
        for child in pair:
            kill(nursery, child)
    pair = [nursery.start(run, shard) for shard in ("1/2", "2/2")]
    assert [nursery.wait(child) for child in pair] == [0, 0]
    assert rows(run) == whole
    assert {p.name for p in run.glob("manifest-*")} == {
        "manifest-part-1-of-2.json",
        "manifest-part-2-of-2.json",
    }
