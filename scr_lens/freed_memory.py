"""Keeping freed memory in the process, so that the next pass need not ask the system for it again."""

from __future__ import annotations

import ctypes
import logging
import sys

logger = logging.getLogger(__name__)

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of two settings of glibc's `mallopt`."""

_LIMITS = (2**30, 2**25)
"""Bytes: blocks below stay with the process; older versions of glibc take no more than the second."""


def keep_freed_memory() -> bool:
    """Tell the C library not to hand memory back to the system between passes.

    A pass on a CPU allocates and frees activations of megabytes. By default they go back to the system, which
    zeroes every page again when the next pass asks for it: a third of the time of a pass of a small model.
    This holds for the whole process until it ends; the process stays as large as it once was. No number
    changes. A second call changes nothing.

    Returns:
        Whether the C library took the settings; False on other systems than Linux with glibc.

    Source: https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        logger.debug("no mallopt in the C library; freed memory goes back to the system")
        return False
    return all(
        any(mallopt(setting, limit) for limit in _LIMITS) for setting in (_TRIM_THRESHOLD, _MMAP_THRESHOLD)
    )
