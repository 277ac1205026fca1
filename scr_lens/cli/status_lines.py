"""Lines at the bottom of a terminal, one per work that goes on beside others."""

from __future__ import annotations

import contextlib
import sys
from types import TracebackType
from typing import Any

from tqdm.std import tqdm


class StatusLines(contextlib.AbstractContextManager["StatusLines"]):
    """Says lines on standard error and, in a terminal, keeps one line per name under them."""

    def __init__(self) -> None:
        """Start without any line."""
        self._lines: dict[str, tqdm[Any]] = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the lines away."""
        for line in self._lines.values():
            line.close()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        tqdm.write(text, file=sys.stderr)

    def show(self, name: str, text: str) -> None:
        """Put a text into the line of a name; nothing where standard error is no terminal."""
        if name not in self._lines:
            self._lines[name] = tqdm(
                bar_format="{desc}", position=len(self._lines), leave=False, disable=None
            )
        self._lines[name].set_description_str(f"{name}: {text}")
