"""A writer's hold on its name."""

import contextlib
import errno
import os
from pathlib import Path

from scr_lens.errors import StoreError

with contextlib.suppress(ImportError):  # absent on Windows, where nothing stops two writers of one name
    import fcntl


class WriterLock:
    """Keeps a second process from writing under the same name; a killed process loses it by itself."""

    def __init__(self, folder: Path, writer: str) -> None:
        """Take the name.

        Args:
            folder: Run directory.
            writer: Name of the writer.

        Raises:
            StoreError: If a running process holds the name, or the folder is not writable.
        """
        try:
            self._descriptor: int | None = os.open(folder / f"lock-{writer}", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StoreError(
                f"cannot write to {folder}: {error.strerror}; give a writable directory"
            ) from error
        try:
            _lock(self._descriptor)
        except OSError as error:
            self.release()
            raise StoreError(
                f"writer {writer!r} of {folder} is in use by a running process; wait for it or give another "
                "writer name"
            ) from error

    @property
    def held(self) -> bool:
        """Whether the name is still held."""
        return self._descriptor is not None

    def release(self) -> None:
        """Give the name back; harmless when called again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock(descriptor: int) -> None:
    if "fcntl" not in globals():
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise  # held by someone; any other error means that this disk knows no locks
