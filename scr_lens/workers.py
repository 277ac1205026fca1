"""Several processes on one run, each with its own model and its own name in the store."""

from __future__ import annotations

import contextlib
import io
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch
from tqdm.std import tqdm

from scr_lens import errors
from scr_lens.chunks import Chunk
from scr_lens.errors import ScrLensError
from scr_lens.freed_memory import keep_freed_memory
from scr_lens.run import run_chunks
from scr_lens.run_config import RunConfig
from scr_lens.store import RunStore
from scr_lens.tally import Tally

logger = logging.getLogger(__name__)


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
    context = multiprocessing.get_context("spawn")
    running: dict[Connection, tuple[SpawnProcess, Work]] = {}
    try:
        for work in works:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(sender, work), daemon=True)
            process.start()
            sender.close()
            running[receiver] = (process, work)
        return _listen(running, progress)
    except BaseException:
        for process, _ in running.values():
            process.kill()  # harmless to the store, which survives it at any moment
        raise
    finally:
        for process, _ in running.values():
            process.join()


def _listen(running: dict[Connection, tuple[SpawnProcess, Work]], progress: Callable[[int], object]) -> Tally:
    total, open_ends = Tally(), set(running)
    while open_ends:
        for end in _ready(open_ends):
            kind, content = _receive(end, *running[end])
            if kind == "progress":
                progress(content)
                continue
            open_ends.remove(end)
            if kind == "error":
                raise _error(*content)
            total += content
    return total


def _ready(ends: set[Connection]) -> list[Connection]:
    return [end for end in wait(list(ends)) if isinstance(end, Connection)]


def _receive(end: Connection, process: SpawnProcess, work: Work) -> tuple[str, Any]:
    try:
        message: tuple[str, Any] = end.recv()
        return message
    except EOFError:
        process.join()
        raise ScrLensError(
            f"worker {work.writer!r} ended with exit status {process.exitcode} before its work was done (a "
            "negative one is a signal: -9 often means too little memory); what was stored is kept, run again "
            "with fewer jobs to go on"
        ) from None


def _error(name: str, text: str) -> ScrLensError:
    """The worker's own error, of the same class."""
    kind = getattr(errors, name, None)
    return kind(text) if isinstance(kind, type) and issubclass(kind, ScrLensError) else ScrLensError(text)


def _work(sender: Connection, work: Work) -> None:
    """Body of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    threading.Thread(target=_die_with_parent, daemon=True).start()
    torch.set_num_threads(work.threads)
    keep_freed_memory()
    tqdm.set_lock(threading.RLock())  # not one shared by processes, which a killed worker would leave behind
    try:
        sender.send(("done", _run(work, lambda rows: sender.send(("progress", rows)))))
    except ScrLensError as error:
        sender.send(("error", (type(error).__name__, str(error))))
    except Exception as error:
        logger.exception("worker %s", work.writer)
        text = f"worker {work.writer!r} failed: {type(error).__name__}: {error}".replace("\n", " ")
        sender.send(("error", ("ScrLensError", text)))


def _run(work: Work, progress: Callable[[int], object]) -> Tally:
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
            progress=progress,
        )


def _die_with_parent() -> None:
    """Ends this process when its parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
