"""The categories of the rendered world: COCO names and ids, each with a vector drawing and typical colors."""

from __future__ import annotations

from dataclasses import dataclass

from scr_lens.organisms.shapes import Part, ellipse, line, polygon, rectangle, ring

Palette = tuple[tuple[float, float, float], ...]
"""Typical main colors as (hue, saturation, value) in [0, 1]; one is drawn per object and then jittered."""

RED, ORANGE, YELLOW, GREEN, BLUE, PURPLE = (
    (0.0, 0.85, 0.85),
    (0.08, 0.9, 0.95),
    (0.15, 0.85, 0.95),
    (0.35, 0.7, 0.65),
    (0.6, 0.75, 0.8),
    (0.78, 0.6, 0.7),
)
BROWN, WHITE, BLACK, GRAY, TAN = (
    (0.07, 0.6, 0.5),
    (0.1, 0.05, 0.95),
    (0.6, 0.1, 0.15),
    (0.6, 0.08, 0.6),
    (0.1, 0.4, 0.8),
)


@dataclass(frozen=True)
class Icon:
    """A category of the world.

    Args:
        name: COCO category name.
        coco_id: COCO category id.
        supercategory: COCO supercategory.
        parts: Polygons, painted in order.
        palette: Typical colors of the main part.
        second: Color of the second part.
    """

    name: str
    coco_id: int
    supercategory: str
    parts: tuple[Part, ...]
    palette: Palette
    second: tuple[float, float, float] = GRAY


def _wheels(y: float, radius: float, *xs: float) -> tuple[Part, ...]:
    return tuple(ellipse("dark", x, y, radius, radius) for x in xs)


def _legs(top: float, *xs: float) -> tuple[Part, ...]:
    return tuple(rectangle("main", x - 0.04, top, x + 0.04, 0.48) for x in xs)


ICONS: tuple[Icon, ...] = (
    Icon(
        "bicycle",
        2,
        "vehicle",
        (
            ring("dark", -0.27, 0.17, 0.22, 0.06),
            ring("dark", 0.27, 0.17, 0.22, 0.06),
            line("main", -0.27, 0.17, -0.08, -0.15, 0.06),
            line("main", -0.08, -0.15, 0.2, -0.15, 0.06),
            line("main", 0.0, 0.17, 0.2, -0.15, 0.06),
            line("main", -0.27, 0.17, 0.0, 0.17, 0.06),
            line("main", 0.27, 0.17, 0.17, -0.3, 0.06),
            rectangle("dark", -0.18, -0.24, 0.0, -0.17),
        ),
        (RED, BLUE, GREEN),
    ),
    Icon(
        "car",
        3,
        "vehicle",
        (
            polygon("main", (-0.3, -0.02), (-0.18, -0.25), (0.15, -0.25), (0.28, -0.02)),
            rectangle("main", -0.48, -0.04, 0.48, 0.2),
            polygon("light", (-0.22, -0.04), (-0.14, -0.2), (-0.02, -0.2), (-0.02, -0.04)),
            polygon("light", (0.03, -0.04), (0.03, -0.2), (0.12, -0.2), (0.2, -0.04)),
            *_wheels(0.2, 0.11, -0.27, 0.27),
        ),
        (RED, BLUE, GRAY, YELLOW),
    ),
    Icon(
        "bus",
        6,
        "vehicle",
        (
            rectangle("main", -0.48, -0.32, 0.48, 0.25),
            rectangle("light", -0.42, -0.24, -0.22, -0.02),
            rectangle("light", -0.18, -0.24, 0.02, -0.02),
            rectangle("light", 0.06, -0.24, 0.24, -0.02),
            rectangle("dark", 0.3, -0.24, 0.42, 0.25),
            *_wheels(0.26, 0.1, -0.28, 0.18),
        ),
        (RED, YELLOW, BLUE),
    ),
    Icon(
        "boat",
        9,
        "vehicle",
        (
            polygon("main", (-0.48, 0.12), (0.48, 0.12), (0.3, 0.4), (-0.3, 0.4)),
            line("dark", 0.0, 0.12, 0.0, -0.48, 0.05),
            polygon("light", (0.05, -0.46), (0.05, 0.04), (0.4, 0.04)),
            polygon("second", (-0.05, -0.36), (-0.05, 0.04), (-0.32, 0.04)),
        ),
        (RED, BROWN, BLUE),
        ORANGE,
    ),
    Icon(
        "traffic light",
        10,
        "outdoor",
        (
            rectangle("dark", -0.05, 0.2, 0.05, 0.5),
            rectangle("main", -0.18, -0.5, 0.18, 0.22),
            Part("second", ellipse("second", 0.0, -0.36, 0.11, 0.1).points),
            ellipse("light", 0.0, -0.14, 0.11, 0.1),
            ellipse("second", 0.0, 0.08, 0.11, 0.1),
        ),
        (BLACK, YELLOW),
        RED,
    ),
    Icon(
        "stop sign",
        13,
        "outdoor",
        (
            rectangle("dark", -0.04, 0.1, 0.04, 0.5),
            polygon(
                "light",
                *[(-0.15, -0.5), (0.15, -0.5), (0.36, -0.29), (0.36, 0.01)],
                *[(0.15, 0.22), (-0.15, 0.22), (-0.36, 0.01), (-0.36, -0.29)],
            ),
            polygon(
                "main",
                *[(-0.13, -0.45), (0.13, -0.45), (0.31, -0.27), (0.31, -0.01)],
                *[(0.13, 0.17), (-0.13, 0.17), (-0.31, -0.01), (-0.31, -0.27)],
            ),
            rectangle("light", -0.22, -0.19, 0.22, -0.09),
        ),
        (RED,),
    ),
    Icon(
        "bench",
        15,
        "outdoor",
        (
            rectangle("main", -0.48, -0.25, 0.48, -0.13),
            rectangle("main", -0.48, -0.08, 0.48, 0.0),
            rectangle("main", -0.5, 0.08, 0.5, 0.18),
            rectangle("dark", -0.42, -0.25, -0.35, 0.4),
            rectangle("dark", 0.35, -0.25, 0.42, 0.4),
        ),
        (BROWN, TAN, GREEN),
    ),
    Icon(
        "bird",
        16,
        "animal",
        (
            ellipse("main", 0.0, 0.05, 0.3, 0.18),
            ellipse("main", 0.28, -0.12, 0.13, 0.13),
            polygon("second", (0.4, -0.15), (0.5, -0.1), (0.4, -0.06)),
            polygon("main", (-0.22, 0.0), (-0.5, -0.1), (-0.45, 0.12)),
            polygon("dark", (0.08, -0.02), (-0.2, -0.38), (-0.2, 0.06)),
            line("second", 0.0, 0.2, 0.0, 0.4, 0.04),
            line("second", 0.1, 0.2, 0.1, 0.4, 0.04),
        ),
        (BLUE, BLACK, WHITE),
        ORANGE,
    ),
    Icon(
        "cat",
        17,
        "animal",
        (
            ellipse("main", -0.05, 0.22, 0.26, 0.27),
            line("main", -0.28, 0.35, -0.45, -0.05, 0.08),
            polygon("main", (-0.12, -0.2), (-0.12, -0.5), (0.05, -0.3)),
            polygon("main", (0.32, -0.2), (0.32, -0.5), (0.15, -0.3)),
            ellipse("main", 0.1, -0.15, 0.24, 0.21),
            ellipse("dark", 0.02, -0.18, 0.04, 0.05),
            ellipse("dark", 0.18, -0.18, 0.04, 0.05),
            polygon("second", (0.06, -0.08), (0.14, -0.08), (0.1, -0.03)),
        ),
        (ORANGE, GRAY, BLACK),
        RED,
    ),
    Icon(
        "dog",
        18,
        "animal",
        (
            rectangle("main", -0.35, -0.08, 0.2, 0.18),
            *_legs(0.15, -0.29, -0.17, 0.06, 0.16),
            line("main", -0.33, -0.02, -0.48, -0.28, 0.07),
            ellipse("main", 0.26, -0.18, 0.17, 0.16),
            rectangle("main", 0.3, -0.18, 0.5, -0.04),
            ellipse("second", 0.15, -0.16, 0.06, 0.16),
            ellipse("dark", 0.48, -0.14, 0.04, 0.04),
        ),
        (BROWN, TAN, WHITE),
        BLACK,
    ),
    Icon(
        "horse",
        19,
        "animal",
        (
            ellipse("main", -0.08, 0.02, 0.32, 0.16),
            *_legs(0.08, -0.33, -0.22, 0.1, 0.2),
            polygon("main", (0.12, 0.0), (0.25, -0.42), (0.38, -0.34), (0.26, 0.06)),
            polygon("main", (0.24, -0.45), (0.5, -0.24), (0.44, -0.16), (0.26, -0.26)),
            polygon("second", (0.1, -0.05), (0.2, -0.45), (0.27, -0.4), (0.18, -0.05)),
            line("second", -0.38, -0.03, -0.48, 0.28, 0.08),
        ),
        (BROWN, BLACK, WHITE),
        BLACK,
    ),
    Icon(
        "sheep",
        20,
        "animal",
        (
            *(rectangle("dark", x - 0.035, 0.15, x + 0.035, 0.45) for x in (-0.25, -0.1, 0.1, 0.22)),
            *(ellipse("main", x, y, 0.17, 0.15) for x in (-0.25, 0.0, 0.2) for y in (-0.08, 0.1)),
            ellipse("main", -0.02, -0.14, 0.2, 0.12),
            ellipse("dark", 0.38, -0.1, 0.11, 0.14),
        ),
        (WHITE,),
    ),
    Icon(
        "cow",
        21,
        "animal",
        (
            rectangle("main", -0.42, -0.2, 0.25, 0.16),
            *_legs(0.1, -0.36, -0.24, 0.08, 0.2),
            ellipse("second", -0.22, -0.05, 0.12, 0.1),
            ellipse("second", 0.05, 0.02, 0.1, 0.09),
            ellipse("main", 0.36, -0.16, 0.13, 0.16),
            line("light", 0.28, -0.28, 0.24, -0.42, 0.05),
            line("light", 0.44, -0.28, 0.48, -0.42, 0.05),
            ellipse("dark", 0.4, -0.06, 0.09, 0.06),
        ),
        (WHITE, BROWN),
        BLACK,
    ),
    Icon(
        "umbrella",
        28,
        "accessory",
        (
            line("dark", 0.0, -0.45, 0.0, 0.42, 0.05),
            line("dark", 0.0, 0.42, 0.12, 0.46, 0.06),
            ellipse("main", 0.0, -0.02, 0.48, 0.42, 180.0, 360.0),
            polygon("second", (-0.16, -0.02), (0.0, -0.44), (0.16, -0.02)),
        ),
        (RED, BLUE, YELLOW, PURPLE),
        WHITE,
    ),
    Icon(
        "kite",
        38,
        "sports",
        (
            line("dark", 0.0, 0.2, -0.2, 0.5, 0.04),
            polygon("main", (0.0, -0.5), (0.32, -0.12), (0.0, 0.28), (-0.32, -0.12)),
            polygon("second", (0.0, -0.5), (0.32, -0.12), (0.0, -0.12)),
            polygon("second", (0.0, 0.28), (-0.32, -0.12), (0.0, -0.12)),
            polygon("main", (-0.2, 0.36), (-0.02, 0.4), (-0.16, 0.48)),
        ),
        (YELLOW, RED, PURPLE),
        BLUE,
    ),
    Icon(
        "surfboard",
        42,
        "sports",
        (
            ellipse("main", 0.0, 0.0, 0.16, 0.5),
            line("second", 0.0, -0.46, 0.0, 0.46, 0.05),
            rectangle("second", -0.14, 0.1, 0.14, 0.2),
        ),
        (YELLOW, WHITE, BLUE),
        RED,
    ),
    Icon(
        "bottle",
        44,
        "kitchen",
        (
            polygon(
                "main",
                *[(-0.08, -0.34), (0.08, -0.34), (0.08, -0.2), (0.18, -0.06)],
                *[(0.18, 0.5), (-0.18, 0.5), (-0.18, -0.06), (-0.08, -0.2)],
            ),
            rectangle("dark", -0.09, -0.5, 0.09, -0.36),
            rectangle("light", -0.18, 0.08, 0.18, 0.32),
        ),
        (GREEN, BLUE, BROWN),
    ),
    Icon(
        "cup",
        47,
        "kitchen",
        (
            ring("main", 0.26, 0.02, 0.2, 0.07),
            polygon("main", (-0.32, -0.32), (0.26, -0.32), (0.2, 0.36), (-0.26, 0.36)),
            ellipse("dark", -0.03, -0.32, 0.29, 0.08),
            rectangle("second", -0.3, -0.06, 0.23, 0.06),
        ),
        (WHITE, BLUE, RED),
        YELLOW,
    ),
    Icon(
        "bowl",
        51,
        "kitchen",
        (
            ellipse("main", 0.0, -0.1, 0.48, 0.4, 0.0, 180.0),
            ellipse("light", 0.0, -0.1, 0.48, 0.12),
            ellipse("dark", 0.0, -0.1, 0.38, 0.07),
            rectangle("main", -0.18, 0.26, 0.18, 0.36),
        ),
        (BLUE, WHITE, PURPLE),
    ),
    Icon(
        "banana",
        52,
        "food",
        (
            polygon(
                "main",
                *[(-0.48, -0.2), (-0.38, -0.24), (-0.2, 0.04), (0.12, 0.12), (0.42, -0.06)],
                *[(0.48, 0.02), (0.22, 0.3), (-0.12, 0.32), (-0.36, 0.14)],
            ),
            polygon("dark", (-0.5, -0.2), (-0.46, -0.34), (-0.38, -0.32), (-0.38, -0.2)),
            polygon("second", (-0.34, -0.06), (-0.1, 0.2), (0.18, 0.2), (-0.12, 0.25)),
        ),
        (YELLOW,),
        BROWN,
    ),
    Icon(
        "apple",
        53,
        "food",
        (
            ellipse("main", -0.14, 0.08, 0.26, 0.34),
            ellipse("main", 0.14, 0.08, 0.26, 0.34),
            line("dark", 0.0, -0.2, 0.06, -0.46, 0.06),
            ellipse("second", 0.2, -0.36, 0.15, 0.07),
        ),
        (RED, GREEN),
        GREEN,
    ),
    Icon(
        "orange",
        55,
        "food",
        (
            ellipse("main", 0.0, 0.0, 0.42, 0.42),
            ellipse("second", 0.0, 0.0, 0.32, 0.32, 200.0, 300.0),
            ellipse("dark", 0.0, -0.36, 0.07, 0.05),
        ),
        (ORANGE,),
        YELLOW,
    ),
    Icon(
        "pizza",
        59,
        "food",
        (
            polygon("main", (-0.46, -0.36), (0.46, -0.36), (0.0, 0.48)),
            rectangle("dark", -0.48, -0.48, 0.48, -0.34),
            ellipse("second", -0.16, -0.18, 0.1, 0.1),
            ellipse("second", 0.16, -0.14, 0.1, 0.1),
            ellipse("second", 0.0, 0.12, 0.09, 0.09),
        ),
        (YELLOW,),
        RED,
    ),
    Icon(
        "cake",
        61,
        "food",
        (
            rectangle("main", -0.42, -0.05, 0.42, 0.42),
            rectangle("light", -0.44, -0.16, 0.44, 0.0),
            rectangle("second", -0.42, 0.16, 0.42, 0.24),
            *(rectangle("second", x - 0.03, -0.38, x + 0.03, -0.16) for x in (-0.22, 0.0, 0.22)),
            *(ellipse("light", x, -0.43, 0.04, 0.06) for x in (-0.22, 0.0, 0.22)),
        ),
        (BROWN, PURPLE),
        RED,
    ),
    Icon(
        "couch",
        63,
        "furniture",
        (
            rectangle("main", -0.4, -0.3, 0.4, 0.1),
            rectangle("second", -0.34, 0.02, -0.01, 0.2),
            rectangle("second", 0.01, 0.02, 0.34, 0.2),
            rectangle("main", -0.5, -0.08, -0.34, 0.34),
            rectangle("main", 0.34, -0.08, 0.5, 0.34),
            rectangle("main", -0.4, 0.18, 0.4, 0.34),
        ),
        (GREEN, RED, BLUE),
        TAN,
    ),
    Icon(
        "potted plant",
        64,
        "furniture",
        (
            *(
                polygon("main", (-0.05, 0.12), (x - 0.1, y), (x, y - 0.1), (0.05, 0.12))
                for x, y in ((-0.36, -0.12), (-0.18, -0.36), (0.06, -0.4), (0.26, -0.3), (0.42, -0.1))
            ),
            polygon("second", (-0.24, 0.1), (0.24, 0.1), (0.16, 0.5), (-0.16, 0.5)),
        ),
        (GREEN,),
        (0.05, 0.7, 0.7),
    ),
    Icon(
        "tv",
        72,
        "electronic",
        (
            rectangle("main", -0.5, -0.38, 0.5, 0.26),
            rectangle("second", -0.44, -0.32, 0.44, 0.2),
            polygon("light", (-0.44, -0.32), (-0.1, -0.32), (-0.44, 0.1)),
            rectangle("main", -0.06, 0.26, 0.06, 0.36),
            rectangle("main", -0.24, 0.35, 0.24, 0.42),
        ),
        (BLACK, GRAY),
        BLUE,
    ),
    Icon(
        "clock",
        85,
        "indoor",
        (
            ellipse("main", 0.0, 0.0, 0.46, 0.46),
            ellipse("light", 0.0, 0.0, 0.37, 0.37),
            line("dark", 0.0, 0.03, 0.0, -0.3, 0.06),
            line("dark", -0.03, 0.0, 0.22, 0.1, 0.06),
        ),
        (BROWN, BLACK, RED),
    ),
)
"""Every category, by ascending COCO id."""

CATEGORY_NAMES: tuple[str, ...] = tuple(icon.name for icon in ICONS)
"""Names in the order of `ICONS`; a category's position here is its class index."""
