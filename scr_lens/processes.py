"""Work in processes of its own: started afresh, heard through a pipe, stopped with the first that fails."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar

import torch
from tqdm.std import tqdm

from scr_lens import errors
from scr_lens.errors import ScrLensError
from scr_lens.freed_memory import keep_freed_memory

logger = logging.getLogger(__name__)

T = TypeVar("T")

_TOLD, _DONE, _FAILED = "told", "done", "failed"
"""What a process sends: a message of its errand, the errand's result, or class and text of its error."""


@dataclass(frozen=True, kw_only=True)
class Errand(Generic[T]):
    """A piece of work for a process of its own.

    Attributes:
        name: What errors call the process, such as "worker 'main.1'".
        body: A function of a module, called as `body(line, *arguments)`; what it returns is sent back.
        arguments: Anything that can be pickled.
        threads: CPU threads that the process may use.
    """

    name: str
    body: Callable[..., T]
    arguments: tuple[Any, ...] = ()
    threads: int = 1


class Line:
    """What connects an errand with the process that sent it."""

    def __init__(self, sender: Connection, processes: int, left: Any) -> None:
        """Connect; `left` is a shared number, of the errands that are not done."""
        self._sender, self._processes, self._left = sender, processes, left

    def tell(self, message: object) -> None:
        """Send a message, anything that can be pickled, while the work goes on."""
        self._sender.send((_TOLD, message))

    def share(self) -> int:
        """Processes that fall to this errand now: 1, and more when fewer errands than processes are left."""
        left: int = self._left.value
        return max(1, self._processes // left)


def run_errands(
    errands: Sequence[Errand[T]], hear: Callable[[int, Any], object], *, processes: int | None = None
) -> list[T]:
    """Run every errand in a process of its own; whenever one is done, the next one starts.

    A process hears no interrupt, since its parent decides, and ends when its parent is gone.

    Args:
        errands: In the order in which they start.
        hear: Called with the number of the errand, from 0, and what it tells.
        processes: Most that run at once; all if None.

    Returns:
        What the errands returned, in their order.

    Raises:
        ScrLensError: The error of the first errand that failed, of its class; the others are stopped then,
            as they are at any exception here, such as a keyboard interrupt.
    """
    context = multiprocessing.get_context("spawn")
    most = processes or len(errands)
    left = context.RawValue("i", len(errands))
    waiting, running, results = deque(enumerate(errands)), dict[Connection, _Running](), dict[int, T]()
    try:
        while waiting or running:
            while waiting and len(running) < most:
                number, errand = waiting.popleft()
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_enter, args=(errand, sender, most, left))
                running[receiver] = _Running(number, errand.name, process)
                _start(process)
                sender.close()
            for end in _ready(running):
                kind, content = _receive(end, running[end])
                if kind == _TOLD:
                    hear(running[end].number, content)
                    continue
                if kind == _FAILED:
                    raise _error(*content)
                done = running.pop(end)
                done.join()
                results[done.number], left.value = content, left.value - 1
    except BaseException:
        for one in running.values():
            one.kill()
        raise
    finally:
        for one in running.values():
            one.join()
    return [results[number] for number in range(len(errands))]


@dataclass(frozen=True)
class _Running:
    number: int
    name: str
    process: SpawnProcess = field(repr=False)

    def kill(self) -> None:
        """Harmless to stores, which survive it at any moment."""
        if self.process.pid is not None:
            self.process.kill()

    def join(self) -> None:
        if self.process.pid is not None:
            self.process.join()


def _start(process: SpawnProcess) -> None:
    """Starts a process that is deaf to interrupts from its first moment on: it inherits which are blocked."""
    with _interrupts_blocked():
        process.start()


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # else the first start does so, which lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ready(running: dict[Connection, _Running]) -> list[Connection]:
    return [end for end in wait(list(running)) if isinstance(end, Connection)]


def _receive(end: Connection, running: _Running) -> tuple[str, Any]:
    try:
        message: tuple[str, Any] = end.recv()
        return message
    except EOFError:
        running.join()
        raise ScrLensError(
            f"{running.name} ended with exit status {running.process.exitcode} before its work was done (a "
            "negative one is a signal: -9 often means too little memory); what was stored is kept, run again "
            "with fewer jobs to go on"
        ) from None


def _error(name: str, text: str) -> ScrLensError:
    """The errand's own error, of the same class."""
    kind = getattr(errors, name, None)
    return kind(text) if isinstance(kind, type) and issubclass(kind, ScrLensError) else ScrLensError(text)


def _enter(errand: Errand[Any], sender: Connection, processes: int, left: Any) -> None:
    """Body of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be blocked
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    threading.Thread(target=_die_with_parent, daemon=True).start()
    torch.set_num_threads(errand.threads)
    keep_freed_memory()
    tqdm.set_lock(threading.RLock())  # not one shared by processes, which a killed one would leave behind
    try:
        sender.send((_DONE, errand.body(Line(sender, processes, left), *errand.arguments)))
    except ScrLensError as error:
        sender.send((_FAILED, (type(error).__name__, str(error))))
    except Exception as error:
        logger.exception("%s", errand.name)
        text = f"{errand.name} failed: {type(error).__name__}: {error}".replace("\n", " ")
        sender.send((_FAILED, ("ScrLensError", text)))


def _die_with_parent() -> None:
    """Ends this process when its parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
