"""Bodies of errands for the tests: a started process imports them by name, and little else."""

import fcntl
import os
import signal
import time
from pathlib import Path

from scr_lens.errors import StoreError
from scr_lens.processes import Errand, Line, run_errands

SECONDS = 300
"""Longest wait for another process, far beyond what any takes."""


def wait_until(true) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def square(line: Line, number: int) -> tuple[int, int, bool, bool]:
    """Tells when it begins and ends; returns its square, its share and how deaf it is to interrupts."""
    line.tell("begin")
    blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    share = line.share()
    line.tell("end")
    return number**2, share, blocked, ignored


def outlast(line: Line) -> str:
    """Goes on until two processes fall to it."""
    assert line.share() == 1
    line.tell("begin")
    wait_until(lambda: line.share() == 2)
    line.tell("end")
    return "last"


def lock(folder: Path) -> int:
    """Takes the lock of a folder, which the system gives back when this process ends."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def is_free(folder: Path) -> bool:
    try:
        os.close(lock(folder))
    except BlockingIOError:
        return False
    return True


def hold(line: Line, folder: Path) -> None:
    """Holds the lock of a folder until this process is killed."""
    lock(folder)
    (folder / "is-held").touch()
    time.sleep(SECONDS)


def fail_beside(line: Line, folder: Path) -> None:
    """Fails when another errand holds the lock."""
    wait_until((folder / "is-held").exists)
    raise StoreError("a stored thing is wrong; mend it")


def break_down(line: Line) -> None:
    raise ValueError("two\nlines")


def vanish(line: Line) -> None:
    os._exit(7)


def send_holder(line: Line | None, folder: Path) -> None:
    """Sends an errand itself."""
    run_errands([Errand(name="inner", body=hold, arguments=(folder,))], hear=print)


def send_sender(line: Line | None, folder: Path) -> None:
    """Sends an errand that sends one."""
    run_errands([Errand(name="outer", body=send_holder, arguments=(folder,))], hear=print)


def export_together(line: Line, number: int, count: int, folder: Path) -> None:
    """Renders a small world at the same time as another process."""
    from scr_lens.organisms.export import export_world

    (folder / f"ready-{number}").touch()
    wait_until((folder / f"ready-{1 - number}").exists)
    export_world("test", count, folder / "world")
