"""Canvases: the size of a picture."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from scr_lens.errors import ConfigError
from scr_lens.grid import PatchGrid


@dataclass(frozen=True, order=True)
class Canvas:
    """Height and width of a picture in pixels.

    Args:
        height: Rows.
        width: Columns.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ConfigError(f"canvas {self}: expected height and width >= 1")

    @property
    def unit(self) -> float:
        """Side of the square of the same area: what object sizes are shares of."""
        return math.sqrt(self.height * self.width)

    def grid(self, patch: int) -> PatchGrid:
        """The grid of square patches.

        Raises:
            ConfigError: If the patches do not fill the canvas.
        """
        if self.height % patch or self.width % patch:
            raise ConfigError(f"canvas {self}: not a whole number of patches of {patch} pixels")
        return PatchGrid(self.height // patch, self.width // patch)

    def scaled(self, factor: int) -> Canvas:
        """A canvas this many times larger."""
        return Canvas(self.height * factor, self.width * factor)

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"

    @classmethod
    def parse(cls, text: str) -> Canvas:
        """Reads a canvas such as "80x112", as a run's file names it: height, then width.

        Raises:
            ConfigError: If it is not of this form.
        """
        found = re.fullmatch(r"(\d+)x(\d+)", text)
        if found is None:
            raise ConfigError(f"canvas {text!r}: expected height and width in pixels, such as '80x112'")
        return cls(int(found[1]), int(found[2]))


SQUARE = Canvas(96, 96)
"""The canvas of most organisms."""


def canvas_of(index: int, canvases: tuple[Canvas, ...]) -> Canvas:
    """The canvas on which a scene is drawn: scenes take turns, whatever the split."""
    return canvases[index % len(canvases)]
