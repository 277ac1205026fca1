"""A device that is not there is refused before anything is read."""

import pytest
import torch

from scr_lens.errors import ConfigError
from scr_lens.models import load
from scr_lens.trace.device import find_device


def see(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(("count", "name", "found"), [(0, None, "cpu"), (1, None, "cuda"), (0, "cpu", "cpu")])
def test_what_is_there_is_taken(
    monkeypatch: pytest.MonkeyPatch, count: int, name: str | None, found: str
) -> None:
    see(monkeypatch, count)
    assert find_device(name) == found


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1"])
def test_every_device_that_torch_sees_is_taken(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    see(monkeypatch, 2)
    assert find_device(name) == name


@pytest.mark.parametrize(
    ("count", "name", "message"),
    [
        (0, "cuda", "'cuda' is not there: torch .* sees 0 CUDA devices; give another"),
        (2, "cuda:2", "'cuda:2' is not there: torch .* sees 2 CUDA devices"),
        (2, "gpu", "'gpu' is no device; give cpu, cuda"),
    ],
)
def test_what_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, count: int, name: str, message: str
) -> None:
    see(monkeypatch, count)
    with pytest.raises(ConfigError, match=message):
        find_device(name)
    with pytest.raises(ConfigError, match=message):
        load("llava-small", device=name)
