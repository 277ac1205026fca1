"""Drawing: a scene becomes pixels, exact boxes, visible areas and a map of who owns each pixel."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageDraw

from scr_lens.organisms.canvas import SQUARE, Canvas
from scr_lens.organisms.icons import ICONS
from scr_lens.organisms.scenes import SCENE_TYPES, Color
from scr_lens.organisms.world import Placement, Scene

SUPERSAMPLING = 3
"""Polygons are drawn this many times larger and averaged, which gives soft edges and sub-pixel areas."""
LEAST_VISIBLE_SHARE = 0.3
"""An object of which less than this share can be seen (border, occlusion) is taken out of the scene."""
LEAST_VISIBLE_PIXELS = 3.0
"""... and so is one with a smaller visible area than this, in pixels of a 96-pixel picture."""


@dataclass(frozen=True)
class VisibleObject:
    """One object as it can be seen.

    Args:
        placement: Its placement in the scene.
        box: COCO box (left, top, width, height) of the visible pixels, in pixels.
        area: Visible area in pixels.
        visible_share: Visible area over the area of the uncut, unoccluded drawing, in (0, 1].
    """

    placement: Placement
    box: tuple[float, float, float, float]
    area: float
    visible_share: float


@dataclass(frozen=True)
class RenderedScene:
    """A drawn scene.

    Args:
        scene: What was drawn.
        pixels: RGB picture.
        objects: Visible objects, back to front.
        owner: Index into `objects` of the front-most object at each supersampled pixel, -1 for background.
    """

    scene: Scene
    pixels: UInt8[np.ndarray, "height width 3"]
    objects: tuple[VisibleObject, ...]
    owner: Int[np.ndarray, "fine fine"]

    @property
    def image(self) -> Image.Image:
        """The picture as a PIL image."""
        return Image.fromarray(self.pixels)

    @property
    def names(self) -> tuple[str, ...]:
        """Distinct category names, largest visible area first."""
        ordered = sorted(self.objects, key=lambda item: -item.area)
        return tuple(dict.fromkeys(item.placement.name for item in ordered))


def render_scene(scene: Scene, canvas: Canvas = SQUARE) -> RenderedScene:
    """Draws a scene.

    Objects that would end up hidden are taken out and the scene is drawn again, so that the annotation names
    exactly what can be seen.

    Args:
        scene: Scene to draw.
        canvas: Size of the picture. Positions are shares of height and width, object sizes shares of
            `canvas.unit`, so objects keep their shape.

    Returns:
        Picture and annotation; deterministic in `scene` and `canvas`.
    """
    kept = list(scene.objects)
    while True:
        owner = _owners(kept, canvas.scaled(SUPERSAMPLING))
        seen = [_visible(item, owner == k, canvas) for k, item in enumerate(kept)]
        hidden = [k for k, item in enumerate(seen) if not _is_visible(item, canvas)]
        if not hidden:
            break
        kept = [item for k, item in enumerate(kept) if k not in hidden]
    return RenderedScene(scene, _paint(scene, kept, canvas), tuple(item for item in seen if item), owner)


def _is_visible(item: VisibleObject | None, canvas: Canvas) -> bool:
    least = LEAST_VISIBLE_PIXELS * (canvas.unit / SQUARE.unit) ** 2
    return item is not None and item.visible_share >= LEAST_VISIBLE_SHARE and item.area >= least


def _outline(
    item: Placement, points: Float[np.ndarray, "vertex 2"], fine: Canvas
) -> list[tuple[float, float]]:
    flipped = points * np.asarray([-1.0 if item.mirrored else 1.0, 1.0])
    cos, sin = np.cos(np.deg2rad(item.angle)), np.sin(np.deg2rad(item.angle))
    stretch = np.asarray([fine.unit / fine.width, fine.unit / fine.height])
    turned = flipped @ np.asarray([[cos, sin], [-sin, cos]]) * item.size * stretch
    placed = (turned + np.asarray([item.x, item.y])) * np.asarray([fine.width, fine.height])
    return [(float(x), float(y)) for x, y in placed]


def _owners(objects: list[Placement], fine: Canvas) -> Int[np.ndarray, "fine fine"]:
    canvas = Image.new("I", (fine.width, fine.height), -1)
    draw = ImageDraw.Draw(canvas)
    for k, item in enumerate(objects):
        for part in ICONS[item.category].parts:
            draw.polygon(_outline(item, part.points, fine), fill=k)
    return np.asarray(canvas, dtype=np.int32)


@cache
def _icon_area(category: int) -> float:
    """Share of its box that an icon covers, from a drawing that nothing cuts or hides."""
    canvas = Image.new("L", (600, 600), 0)
    draw = ImageDraw.Draw(canvas)
    centered = Placement(category, 0.5, 0.5, 0.5, 0.0, False, (0.0, 0.0, 0.0))
    for part in ICONS[category].parts:
        draw.polygon(_outline(centered, part.points, Canvas(600, 600)), fill=1)
    return float(np.asarray(canvas).sum()) / 300**2


def _visible(item: Placement, mask: np.ndarray, canvas: Canvas) -> VisibleObject | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    area = float(mask.sum()) / SUPERSAMPLING**2
    whole = _icon_area(item.category) * (item.size * canvas.unit) ** 2
    left, top = columns[0] / SUPERSAMPLING, rows[0] / SUPERSAMPLING
    width = (columns[-1] + 1) / SUPERSAMPLING - left
    height = (rows[-1] + 1) / SUPERSAMPLING - top
    return VisibleObject(item, (left, top, width, height), area, min(1.0, area / whole))


def _rgb(color: Color) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(*color)
    return round(red * 255), round(green * 255), round(blue * 255)


def _palette(item: Placement) -> dict[str, tuple[int, int, int]]:
    return {
        "main": _rgb(item.color),
        "second": _rgb(ICONS[item.category].second),
        "dark": (35, 32, 38),
        "light": (238, 238, 232),
    }


def _paint(scene: Scene, objects: list[Placement], canvas: Canvas) -> UInt8[np.ndarray, "height width 3"]:
    rng = np.random.default_rng(scene.seed)
    fine = canvas.scaled(SUPERSAMPLING)
    picture = Image.new("RGB", (fine.width, fine.height))
    draw = ImageDraw.Draw(picture)
    for part, (hue, saturation, value) in SCENE_TYPES[scene.background].background(rng):
        points = [
            (float(x), float(y)) for x, y in (part.points + 0.5) * np.asarray([fine.width, fine.height])
        ]
        draw.polygon(points, fill=_rgb((hue, saturation, value)))
    for item in objects:
        palette = _palette(item)
        for part in ICONS[item.category].parts:
            draw.polygon(_outline(item, part.points, fine), fill=palette[part.role])
    small = picture.resize((canvas.width, canvas.height), Image.Resampling.BOX)
    return _expose(np.asarray(small, dtype=np.float64), rng)


def _expose(picture: np.ndarray, rng: np.random.Generator) -> UInt8[np.ndarray, "height width 3"]:
    """Light and sensor: a gain per channel, an offset and Gaussian noise of 1 to 5% of full scale."""
    gain = rng.uniform(0.8, 1.15) * rng.uniform(0.94, 1.06, 3)
    noise = rng.normal(0.0, rng.uniform(0.01, 0.05) * 255, picture.shape)
    return np.clip(picture * gain + rng.uniform(-12, 12) + noise, 0, 255).round().astype(np.uint8)
