"""Errands in processes: the queue, what is heard, errors, and how processes end."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import errands
import pytest

from scr_lens.errors import ScrLensError, StoreError
from scr_lens.processes import Errand, run_errands

pytestmark = pytest.mark.slow


def test_a_queue_for_two_processes():
    heard = []
    long = Errand(name="long", body=errands.outlast)
    short = [Errand(name="short", body=errands.square, arguments=(number,)) for number in (3, 5)]
    results = run_errands([long, *short], lambda number, text: heard.append((number, text)), processes=2)
    assert results[0] == "last"
    deaf = (True, True)
    assert results[1:] == [(9, 1, *deaf), (25, 1, *deaf)]  # 3 and then 2 errands left for 2 processes
    assert sorted(heard) == [(number, text) for number in range(3) for text in ("begin", "end")]
    assert heard.index((2, "begin")) > heard.index((1, "end"))  # never more than two at once
    assert heard[-1] == (0, "end")


def test_the_first_error_is_raised_and_the_others_are_stopped(tmp_path):
    both = [
        Errand(name=body.__name__, body=body, arguments=(tmp_path,))
        for body in (errands.hold, errands.fail_beside)
    ]
    with pytest.raises(StoreError, match=r"^a stored thing is wrong; mend it$"):
        run_errands(both, hear=print)
    assert errands.is_free(tmp_path)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (errands.break_down, r"^the errand failed: ValueError: two lines$"),
        (
            errands.vanish,
            r"^the errand ended with exit status 7 before .*; what was stored is kept, run again",
        ),
    ],
)
def test_an_unexpected_end_is_named(body, message):
    with pytest.raises(ScrLensError, match=message):
        run_errands([Errand(name="the errand", body=body)], hear=print)


def test_what_cannot_be_sent_starts_nothing():
    with pytest.raises((AttributeError, pickle.PicklingError)):
        run_errands([Errand(name="local", body=lambda line: None)] * 2, hear=print)


def test_nothing_to_do():
    assert run_errands([], hear=print) == []


def interruptible():
    """A shell that starts tests in the background makes them deaf to Ctrl-C; this process must hear it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("sent", "body"),
    [(signal.SIGKILL, errands.send_sender), (signal.SIGINT, errands.send_holder)],  # a grandchild, a child
)
def test_processes_end_with_their_parent(tmp_path, sent, body):
    tests = Path(errands.__file__).parent
    code = f"import sys, pathlib, errands; errands.{body.__name__}(None, pathlib.Path(sys.argv[1]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)])},
        start_new_session=True,
        preexec_fn=interruptible,
    )
    errands.wait_until((tmp_path / "is-held").exists)
    assert not errands.is_free(tmp_path)
    if sent == signal.SIGINT:
        os.killpg(process.pid, sent)  # Ctrl-C reaches all processes of a terminal
    else:
        process.send_signal(sent)
    _, err = process.communicate()
    assert process.returncode == -sent
    assert err.count("Traceback") == (sent == signal.SIGINT)  # the parent's; the child hears nothing
    errands.wait_until(lambda: errands.is_free(tmp_path))
