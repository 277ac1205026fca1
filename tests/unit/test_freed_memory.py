import ctypes
import resource
import subprocess
import sys

import pytest

from scr_lens import freed_memory
from scr_lens.freed_memory import keep_freed_memory

PAGES_OF_FURTHER_BUFFERS = """
import resource, sys
import torch
from scr_lens.freed_memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory() and keep_freed_memory()
for _ in range(12):  # the first few fill small gaps
    torch.ones(3, 2**22)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    torch.ones(3, 2**22)
sys.stdout.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before))
"""


def pages(mode: str) -> int:
    code = [sys.executable, "-c", PAGES_OF_FURTHER_BUFFERS, mode]
    return int(subprocess.run(code, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_further_buffers_take_no_new_pages():
    per_buffer = 3 * 4 * 2**22 // resource.getpagesize()
    assert pages("keep") < per_buffer / 10 < pages("plain")


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(freed_memory.sys, "platform", "darwin")
    assert not keep_freed_memory()


def test_a_c_library_without_the_setting_is_left_alone(monkeypatch):
    monkeypatch.setattr(freed_memory.sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_freed_memory()


def test_older_versions_take_the_smaller_limit(monkeypatch):
    asked = []

    class Library:
        def mallopt(self, setting: int, limit: int) -> int:
            asked.append((setting, limit))
            return int(setting == -1 or limit <= 2**25)

    monkeypatch.setattr(freed_memory.sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library())
    assert keep_freed_memory()
    assert asked == [(-1, 2**30), (-3, 2**30), (-3, 2**25)]
