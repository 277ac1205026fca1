"""Atomic writes under faults: the target is as before or complete, and nothing is left behind."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scr_lens.store.atomic import write_bytes


def fail(error: BaseException) -> Callable[..., Any]:
    def raise_it(*_: Any, **__: Any) -> Any:
        raise error

    return raise_it


NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("overwrite", [True, False])
def test_plain_write(tmp_path: Path, overwrite: bool) -> None:
    write_bytes(tmp_path / "a", b"content", overwrite=overwrite)
    assert (tmp_path / "a").read_bytes() == b"content"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_overwrite_and_refusal(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_bytes(target, b"new", overwrite=False)
    assert (target.read_bytes(), len(list(tmp_path.iterdir()))) == (b"old", 1)
    write_bytes(target, b"new")
    assert (target.read_bytes(), len(list(tmp_path.iterdir()))) == (b"new", 1)


@pytest.mark.parametrize("error", [NO_SPACE, KeyboardInterrupt(), RuntimeError("mid-write")], ids=repr)
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failure_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, step, fail(error))
    with pytest.raises(type(error)):
        write_bytes(target, b"new")
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_disk_full_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fdopen

    def fdopen(*args: Any) -> Any:
        file = real(*args)

        class Full:
            def __enter__(self) -> "Full":
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def write(self, content: bytes) -> int:
                file.write(content[: len(content) // 2])
                raise NO_SPACE

        return Full()

    monkeypatch.setattr(os, "fdopen", fdopen)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(tmp_path / "a", b"content")
    assert list(tmp_path.iterdir()) == []


def test_exclusive_write_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", fail(OSError(errno.EPERM, "no links here")))
    write_bytes(tmp_path / "a", b"content", overwrite=False)
    with pytest.raises(FileExistsError):
        write_bytes(tmp_path / "a", b"other", overwrite=False)
    assert (tmp_path / "a").read_bytes() == b"content"
    assert len(list(tmp_path.iterdir())) == 1


def test_other_link_failures_are_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", fail(NO_SPACE))
    with pytest.raises(OSError, match="No space left"):
        write_bytes(tmp_path / "a", b"content", overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_content_and_folder_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[bool] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        flushed.append(os.path.isdir(f"/proc/self/fd/{descriptor}"))  # noqa: PTH112 - follows the descriptor
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_bytes(tmp_path / "a", b"content")
    if Path("/proc/self/fd").exists():
        assert flushed == [False, True]
    assert len(flushed) == 2


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_bytes(tmp_path / "none" / "a", b"content")


def test_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "real").read_bytes() == b"real"
    assert not (tmp_path / "link").is_symlink()
