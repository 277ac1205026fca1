"""Scene types: a background drawing and the category pool that it predicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scr_lens.organisms.shapes import Part, ellipse, polygon, rectangle

Color = tuple[float, float, float]
"""Hue, saturation, value in [0, 1]."""

Layer = tuple[Part, Color]
"""A background polygon in the picture's own box [-0.5, 0.5]^2 and its color."""


@dataclass(frozen=True)
class SceneType:
    """A kind of place.

    Args:
        name: Word used in captions.
        pool: Category name -> relative frequency in this place. What the background predicts.
        background: Draws the place from a random generator, back to front.
    """

    name: str
    pool: dict[str, float]
    background: Callable[[np.random.Generator], list[Layer]]


def _sky(rng: np.random.Generator, color: Color, horizon: float) -> list[Layer]:
    clouds: list[Layer] = [
        (ellipse("main", x, y, rng.uniform(0.06, 0.16), 0.04), (0.6, 0.02, 0.97))
        for x, y in zip(rng.uniform(-0.5, 0.5, 2), rng.uniform(-0.48, horizon - 0.15, 2), strict=True)
    ]
    return [(rectangle("main", -0.5, -0.5, 0.5, 0.5), color), *clouds]


def _street(rng: np.random.Generator) -> list[Layer]:
    horizon = rng.uniform(-0.05, 0.15)
    layers = _sky(rng, (0.58, 0.25, 0.8), horizon)
    for left in np.arange(-0.5, 0.5, 0.22):
        top = rng.uniform(-0.42, -0.1)
        layers.append(
            (rectangle("main", left, top, left + 0.18, horizon), (0.05, 0.15, rng.uniform(0.4, 0.7)))
        )
    layers.append((rectangle("main", -0.5, horizon, 0.5, 0.5), (0.6, 0.03, 0.35)))
    marks = rng.uniform(-0.1, 0.1) + np.arange(-0.5, 0.5, 0.25)
    layers += [(rectangle("main", x, 0.28, x + 0.12, 0.31), (0.12, 0.1, 0.9)) for x in marks]
    return layers


def _park(rng: np.random.Generator) -> list[Layer]:
    horizon = rng.uniform(-0.15, 0.05)
    layers = _sky(rng, (0.56, 0.4, 0.92), horizon)
    layers.append((rectangle("main", -0.5, horizon, 0.5, 0.5), (0.3, 0.6, 0.6)))
    for x in rng.uniform(-0.5, 0.5, 3):
        layers.append(
            (rectangle("main", x - 0.02, horizon - 0.12, x + 0.02, horizon + 0.03), (0.07, 0.6, 0.35))
        )
        layers.append((ellipse("main", x, horizon - 0.2, 0.11, 0.13), (0.36, 0.7, rng.uniform(0.3, 0.45))))
    return layers


def _farm(rng: np.random.Generator) -> list[Layer]:
    horizon = rng.uniform(-0.1, 0.1)
    layers = _sky(rng, (0.57, 0.3, 0.95), horizon)
    layers.append((rectangle("main", -0.5, horizon, 0.5, 0.5), (0.19, 0.6, 0.7)))
    x = rng.uniform(-0.4, 0.2)
    layers.append((rectangle("main", x, horizon - 0.2, x + 0.24, horizon + 0.02), (0.01, 0.7, 0.5)))
    roof = polygon("main", (x - 0.03, horizon - 0.2), (x + 0.12, horizon - 0.33), (x + 0.27, horizon - 0.2))
    layers.append((roof, (0.02, 0.4, 0.3)))
    layers += [
        (rectangle("main", post, horizon, post + 0.02, horizon + 0.13), (0.08, 0.4, 0.45))
        for post in np.arange(-0.5, 0.5, 0.12)
    ]
    layers.append((rectangle("main", -0.5, horizon + 0.04, 0.5, horizon + 0.06), (0.08, 0.4, 0.45)))
    return layers


def _beach(rng: np.random.Generator) -> list[Layer]:
    horizon = rng.uniform(-0.2, 0.0)
    shore = horizon + rng.uniform(0.12, 0.25)
    layers = _sky(rng, (0.55, 0.35, 0.97), horizon)
    layers.append((rectangle("main", -0.5, horizon, 0.5, 0.5), (0.53, 0.7, 0.65)))
    layers.append((rectangle("main", -0.5, shore, 0.5, shore + 0.03), (0.5, 0.05, 0.95)))
    layers.append((rectangle("main", -0.5, shore + 0.03, 0.5, 0.5), (0.12, 0.35, 0.9)))
    return layers


def _living_room(rng: np.random.Generator) -> list[Layer]:
    floor = rng.uniform(0.12, 0.28)
    wall = (rng.uniform(0.05, 0.12), 0.25, 0.8)
    layers: list[Layer] = [(rectangle("main", -0.5, -0.5, 0.5, 0.5), wall)]
    x = rng.uniform(-0.4, 0.1)
    layers.append((rectangle("main", x, -0.4, x + 0.28, -0.1), (0.1, 0.1, 0.97)))
    layers.append((rectangle("main", x + 0.02, -0.38, x + 0.26, -0.12), (0.55, 0.3, 0.95)))
    layers.append((rectangle("main", -0.5, floor, 0.5, 0.5), (0.06, 0.5, 0.4)))
    layers.append((ellipse("main", rng.uniform(-0.2, 0.2), 0.4, 0.3, 0.08), (0.95, 0.4, 0.55)))
    return layers


def _kitchen(rng: np.random.Generator) -> list[Layer]:
    counter = rng.uniform(0.08, 0.22)
    layers: list[Layer] = [(rectangle("main", -0.5, -0.5, 0.5, 0.5), (0.5, 0.12, 0.9))]
    step = rng.uniform(0.1, 0.14)
    grout = (0.5, 0.15, 0.7)
    layers += [(rectangle("main", x, -0.5, x + 0.012, counter), grout) for x in np.arange(-0.5, 0.5, step)]
    layers += [(rectangle("main", -0.5, y, 0.5, y + 0.012), grout) for y in np.arange(-0.5, counter, step)]
    layers.append((rectangle("main", -0.5, counter, 0.5, counter + 0.06), (0.6, 0.05, 0.5)))
    layers.append((rectangle("main", -0.5, counter + 0.06, 0.5, 0.5), (0.58, 0.25, 0.75)))
    return layers


def _picnic(rng: np.random.Generator) -> list[Layer]:
    edge = rng.uniform(-0.3, -0.15)
    layers: list[Layer] = [(rectangle("main", -0.5, -0.5, 0.5, 0.5), (0.9, 0.15, 0.6))]
    layers.append((rectangle("main", -0.5, edge, 0.5, 0.5), (0.0, 0.05, 0.93)))
    size = rng.uniform(0.1, 0.14)
    for row, y in enumerate(np.arange(edge, 0.5, size)):
        for x in np.arange(-0.5 + (row % 2) * size, 0.5, 2 * size):
            layers.append((rectangle("main", x, y, x + size, y + size), (0.98, 0.35, 0.85)))
    return layers


SCENE_TYPES: tuple[SceneType, ...] = (
    SceneType(
        "street",
        {
            "car": 1.0,
            "traffic light": 0.9,
            "bus": 0.8,
            "bicycle": 0.7,
            "stop sign": 0.6,
            "bench": 0.3,
            "bird": 0.2,
            "dog": 0.2,
        },
        _street,
    ),
    SceneType(
        "park", {"bench": 1.0, "dog": 0.9, "bird": 0.8, "bicycle": 0.6, "kite": 0.6, "umbrella": 0.2}, _park
    ),
    SceneType("farm", {"cow": 1.0, "sheep": 0.9, "horse": 0.8, "bird": 0.4, "dog": 0.4}, _farm),
    SceneType(
        "beach",
        {"surfboard": 1.0, "umbrella": 0.9, "boat": 0.8, "kite": 0.6, "bird": 0.5, "dog": 0.3},
        _beach,
    ),
    SceneType(
        "living room",
        {"couch": 1.0, "tv": 0.9, "potted plant": 0.8, "clock": 0.7, "cat": 0.7, "cup": 0.3},
        _living_room,
    ),
    SceneType(
        "kitchen",
        {
            "bowl": 1.0,
            "bottle": 0.9,
            "cup": 0.9,
            "apple": 0.5,
            "clock": 0.5,
            "orange": 0.4,
            "potted plant": 0.3,
        },
        _kitchen,
    ),
    SceneType(
        "picnic",
        {
            "pizza": 1.0,
            "cake": 0.8,
            "banana": 0.7,
            "orange": 0.7,
            "apple": 0.7,
            "cup": 0.5,
            "bottle": 0.5,
            "bowl": 0.4,
        },
        _picnic,
    ),
)
"""Every scene type. Pools overlap, so a place makes some objects likely without deciding any."""
