"""Vector primitives of the rendered world: every figure is a colored polygon in a unit box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

Role = Literal["main", "second", "dark", "light"]
"""Which color of an object's palette fills a part."""


@dataclass(frozen=True)
class Part:
    """One filled polygon of an icon.

    Args:
        role: Palette entry that fills it.
        points: Vertices in the icon's box [-0.5, 0.5]^2, x to the right, y down.
    """

    role: Role
    points: Float[np.ndarray, "vertex 2"]


def polygon(role: Role, *points: tuple[float, float]) -> Part:
    """A polygon through the given vertices."""
    return Part(role, np.asarray(points, dtype=np.float64))


def rectangle(role: Role, x0: float, y0: float, x1: float, y1: float) -> Part:
    """An axis-parallel rectangle."""
    return polygon(role, (x0, y0), (x1, y0), (x1, y1), (x0, y1))


def ellipse(
    role: Role, cx: float, cy: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0
) -> Part:
    """An ellipse, or its sector between two angles in degrees (clockwise from the right)."""
    angles = np.deg2rad(np.linspace(start, stop, 25))
    return Part(role, np.stack([cx + rx * np.cos(angles), cy + ry * np.sin(angles)], axis=1))


def ring(role: Role, cx: float, cy: float, radius: float, width: float) -> Part:
    """A circle's outline, as one polygon that runs along the outer edge and back along the inner one."""
    angles = np.deg2rad(np.linspace(0.0, 360.0, 25))
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    outline = np.concatenate([circle * radius, circle[::-1] * (radius - width)])
    return Part(role, outline + np.asarray([cx, cy]))


def line(role: Role, x0: float, y0: float, x1: float, y1: float, width: float) -> Part:
    """A straight stroke of the given width."""
    along = np.asarray([x1 - x0, y1 - y0])
    side = np.asarray([-along[1], along[0]]) / np.hypot(*along) * width / 2
    a, b = np.asarray([x0, y0]), np.asarray([x1, y1])
    return Part(role, np.stack([a + side, b + side, b - side, a - side]))
