"""Scenes: what is where, sampled from one integer seed per picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scr_lens.errors import DataError
from scr_lens.organisms.icons import CATEGORY_NAMES, ICONS
from scr_lens.organisms.scenes import SCENE_TYPES

Split = Literal["train", "validation", "test"]
SPLIT_SEEDS: dict[Split, int] = {"train": 1, "validation": 2, "test": 3}
"""First word of every scene's seed: no scene of one split can occur in another."""

SMALLEST, LARGEST = 0.03, 0.40
"""Range of an object's size as a share of the picture's side."""
OUT_OF_POOL = 0.15
"""Chance that a category comes from outside the place's pool, so that the scene prior can be wrong."""
SECOND_INSTANCE = 0.15
"""Chance that a category appears twice."""


@dataclass(frozen=True)
class Placement:
    """One object of a scene.

    Args:
        category: Class index into `ICONS`.
        x: Center, as a share of the side, from the left; may lie so near the border that the object is cut.
        y: Center from the top.
        size: Side of the icon's box as a share of the picture's side, in [0.03, 0.40].
        angle: Rotation in degrees.
        mirrored: Whether the drawing is flipped left to right before rotation.
        color: Hue, saturation, value of the main part after jitter.
    """

    category: int
    x: float
    y: float
    size: float
    angle: float
    mirrored: bool
    color: tuple[float, float, float]

    @property
    def name(self) -> str:
        """COCO category name."""
        return CATEGORY_NAMES[self.category]


@dataclass(frozen=True)
class Scene:
    """What a picture shows, before it is drawn.

    Args:
        split: Which split it belongs to.
        index: Number within the split.
        place: Index into `SCENE_TYPES` of the objects' pool.
        background: Index into `SCENE_TYPES` of what is drawn; differs from `place` only in swapped scenes.
        objects: Painter's order, back to front.
        seed: Seed of the background drawing, the light and the sensor noise.
    """

    split: Split
    index: int
    place: int
    background: int
    objects: tuple[Placement, ...]
    seed: tuple[int, int]

    @property
    def image_id(self) -> int:
        """COCO image id: the split's digit followed by the six-digit index."""
        return SPLIT_SEEDS[self.split] * 1_000_000 + self.index

    @property
    def categories(self) -> tuple[int, ...]:
        """Distinct class indices in painter's order."""
        return tuple(dict.fromkeys(item.category for item in self.objects))


def sample_scene(split: Split, index: int) -> Scene:
    """Samples the scene of one index; the same arguments give the same scene on every machine.

    Args:
        split: "train", "validation" or "test"; their random streams are disjoint.
        index: Number of the scene in its split, from 0.

    Returns:
        A scene of 3 to 6 categories. Whether every object can be seen is decided when it is drawn
        (`render.render_scene`), which drops what is hidden.

    Raises:
        DataError: If the split is unknown or the index is negative.
    """
    if split not in SPLIT_SEEDS or index < 0:
        raise DataError(
            f"scene {split!r} #{index}: expected split in {sorted(SPLIT_SEEDS)} and an index >= 0"
        )
    rng = np.random.default_rng([SPLIT_SEEDS[split], index])
    place = int(rng.integers(len(SCENE_TYPES)))
    categories = _sample_categories(rng, place)
    instances = [c for c in categories for _ in range(1 + int(rng.random() < SECOND_INSTANCE))]
    objects = tuple(_place(rng, category) for category in rng.permutation(instances))
    return Scene(split, index, place, place, objects, (SPLIT_SEEDS[split] + 100, index))


def swap_background(scene: Scene, background: int) -> Scene:
    """The same objects in another place: separates what is seen from what is expected."""
    if not 0 <= background < len(SCENE_TYPES):
        raise DataError(
            f"background {background}: expected 0..{len(SCENE_TYPES) - 1}; see scenes.SCENE_TYPES"
        )
    return replace(scene, background=background)


def _sample_categories(rng: np.random.Generator, place: int) -> list[int]:
    count = int(rng.choice([3, 4, 5, 6], p=[0.25, 0.3, 0.25, 0.2]))
    chosen: list[int] = []
    weights = np.array([SCENE_TYPES[place].pool.get(name, 0.0) for name in CATEGORY_NAMES])
    while len(chosen) < count:
        inside = rng.random() >= OUT_OF_POOL
        candidates = np.where(weights > 0, weights, 0.0) if inside else (weights == 0).astype(float)
        candidates[chosen] = 0.0
        if candidates.sum() > 0:
            chosen.append(int(rng.choice(len(candidates), p=candidates / candidates.sum())))
    return chosen


def _place(rng: np.random.Generator, category: int) -> Placement:
    hue, saturation, value = ICONS[category].palette[rng.integers(len(ICONS[category].palette))]
    color = (
        float((hue + rng.normal(0, 0.015)) % 1.0),
        float(np.clip(saturation + rng.normal(0, 0.08), 0, 1)),
        float(np.clip(value + rng.normal(0, 0.08), 0.05, 1)),
    )
    return Placement(
        category=category,
        x=float(rng.uniform(0.0, 1.0)),
        y=float(rng.uniform(0.0, 1.0)),
        size=float(SMALLEST + (LARGEST - SMALLEST) * rng.beta(1.8, 2.0)),
        angle=float(rng.uniform(-25.0, 25.0)),
        mirrored=bool(rng.random() < 0.5),
        color=color,
    )
