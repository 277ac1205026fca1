"""Several processes on one run, each with its own model and its own name in the store."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scr_lens.chunks import Chunk
from scr_lens.processes import Errand, Line, run_errands
from scr_lens.run import run_chunks
from scr_lens.run_config import RunConfig
from scr_lens.store import RunStore
from scr_lens.tally import Tally


@dataclass(frozen=True)
class Work:
    """What one worker does.

    Attributes:
        config: Settings of the run, with the worker's own device.
        run: Run directory; it exists.
        writer: The worker's name in the store.
        chunks: Its share of the questions.
        threads: CPU threads it may use.
    """

    config: RunConfig
    run: Path
    writer: str
    chunks: tuple[Chunk, ...]
    threads: int


def run_workers(works: Sequence[Work], progress: Callable[[int], object]) -> Tally:
    """Runs every work in a process of its own and waits for all.

    Args:
        works: At least one.
        progress: Called with the number of rows whenever a worker has finished a chunk.

    Returns:
        What all of them added.

    Raises:
        ScrLensError: The error of the first worker that failed; the others are stopped then, as they are at
            any exception here, such as a keyboard interrupt. What was stored is kept.
    """
    errands = [
        Errand(name=f"worker {work.writer!r}", body=_run, arguments=(work,), threads=work.threads)
        for work in works
    ]
    return sum(run_errands(errands, lambda _, rows: progress(rows)), Tally())


def _run(line: Line, work: Work) -> Tally:
    config = work.config
    with contextlib.redirect_stderr(io.StringIO()):  # the bar of one weight file per worker
        lens = config.load()
    with RunStore.open(work.run, writer=work.writer) as store:
        return run_chunks(
            lens,
            work.chunks,
            config.conditions,
            store,
            benchmark=config.benchmark.name,
            measurement=config.benchmark.measurement,
            progress=line.tell,
        )
