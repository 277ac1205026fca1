"""Files that are either complete or absent.

The bytes go to a temporary file next to the target (created exclusively, so two processes never share one),
are flushed to the disk, and the file is renamed over the target; then the folder is flushed, so that the new
name survives a power cut. Any exception removes the temporary file; only a killed process leaves one, and it
never has the target's name. Accepted trade-off: the old and the new file exist side by side for a moment.
"""

import contextlib
import errno
import os
import secrets
from pathlib import Path

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def write_bytes(path: str | Path, content: bytes, *, overwrite: bool = True) -> None:
    """Write a whole file atomically and durably.

    Args:
        path: Target; its folder must exist. A link is replaced, not followed.
        content: Everything the file shall hold.
        overwrite: False refuses to replace an existing target, also one created at the same moment by another
            process.

    Raises:
        FileExistsError: If the target exists and `overwrite` is False.
        OSError: If the disk is full, or the folder is absent or not writable; the target is then as before.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        _write_new(temporary, content)
        _publish(temporary, path, overwrite=overwrite)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _flush_folder(path.parent)


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _publish(temporary: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
        return
    try:
        path.hardlink_to(temporary)  # unlike a rename, this fails if the target exists
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _publish_without_links(temporary, path)
        return
    temporary.unlink()


def _publish_without_links(temporary: Path, path: Path) -> None:
    """Fall back on file systems without hard links; two creators within a microsecond could both succeed."""
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    temporary.replace(path)


def _flush_folder(folder: Path) -> None:
    """Make the rename durable, where the system can flush a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
