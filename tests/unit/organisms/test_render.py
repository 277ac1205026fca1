from dataclasses import replace

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from scr_lens.organisms.canvas import SQUARE, Canvas
from scr_lens.organisms.icons import ICONS
from scr_lens.organisms.render import (
    LEAST_VISIBLE_PIXELS,
    LEAST_VISIBLE_SHARE,
    SUPERSAMPLING,
    render_scene,
)
from scr_lens.organisms.world import Placement, sample_scene, swap_background

SIDE = 96


def inside(item: Placement) -> np.ndarray:
    """Which fine pixels an object covers, by point-in-polygon tests at pixel centers."""
    fine = SIDE * SUPERSAMPLING
    ys, xs = np.mgrid[0:fine, 0:fine] + 0.5
    pixels = np.stack([xs.ravel(), ys.ravel()], axis=1)
    covered = np.zeros(len(pixels), dtype=bool)
    angle = np.deg2rad(item.angle)
    for part in ICONS[item.category].parts:
        x = part.points[:, 0] * (-1 if item.mirrored else 1)
        y = part.points[:, 1]
        turned = np.stack(
            [x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], axis=1
        )
        corners = (turned * item.size + [item.x, item.y]) * fine
        covered |= Outline(corners).contains_points(pixels)
    return covered.reshape(fine, fine)


def one_object(**changes) -> Placement:
    base = Placement(category=2, x=0.5, y=0.5, size=0.3, angle=20.0, mirrored=True, color=(0.6, 0.5, 0.5))
    return replace(base, **changes)


def scene_of(*objects: Placement):
    return replace(sample_scene("test", 0), objects=objects)


@pytest.mark.parametrize("category", range(0, len(ICONS), 5))
def test_box_and_area_are_those_of_the_polygons(category):
    item = one_object(category=category)
    drawn = render_scene(scene_of(item))
    mask = inside(item)
    ys, xs = np.nonzero(mask)
    left, top, width, height = drawn.objects[0].box
    expected = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    found = np.array([left, top, left + width, top + height]) * SUPERSAMPLING
    assert np.abs(found - expected).max() <= 2.01  # Pillow draws the outline pixels too
    # Pillow fills the pixels that an outline touches, not only those whose center is inside: up to one fine
    # pixel around every stroke. The annotation is exact for the pixels drawn (the next tests).
    rim = sum(np.count_nonzero(np.diff(mask.astype(int), axis=axis, append=0)) for axis in (0, 1))
    assert 0 <= drawn.objects[0].area * SUPERSAMPLING**2 - mask.sum() <= rim
    assert drawn.objects[0].visible_share == pytest.approx(1.0, abs=0.12)


def test_the_border_cuts_an_object():
    drawn = render_scene(scene_of(one_object(x=1.0)))
    left, _, width, _ = drawn.objects[0].box
    assert left + width == SIDE
    assert 0.35 < drawn.objects[0].visible_share < 0.65


def test_an_object_in_front_hides_one_behind():
    behind, front = one_object(category=5, size=0.25), one_object(category=2, size=0.4, angle=0.0)
    together = render_scene(scene_of(behind, front))
    assert [item.placement for item in together.objects] == [front]
    moved = render_scene(scene_of(behind, replace(front, x=0.75)))
    assert len(moved.objects) == 2
    alone = render_scene(scene_of(behind))
    assert moved.objects[0].area < alone.objects[0].area


def test_what_is_annotated_can_be_seen():
    for k in range(60):
        drawn = render_scene(sample_scene("test", k))
        for n, item in enumerate(drawn.objects):
            assert item.visible_share >= LEAST_VISIBLE_SHARE and item.area >= LEAST_VISIBLE_PIXELS
            assert item.area == pytest.approx((drawn.owner == n).sum() / SUPERSAMPLING**2)


def test_names_come_largest_first_and_once():
    drawn = render_scene(
        scene_of(one_object(x=0.2, size=0.1), one_object(category=7, x=0.7), one_object(y=0.1))
    )
    areas = {}
    for item in drawn.objects:
        areas.setdefault(item.placement.name, []).append(item.area)
    largest_first = sorted(areas, key=lambda name: -max(areas[name]))
    assert list(drawn.names) == largest_first


def test_swapping_the_background_moves_no_object():
    scene = sample_scene("test", 4)
    first, second = render_scene(scene), render_scene(swap_background(scene, (scene.place + 2) % 7))
    assert np.array_equal(first.owner, second.owner)
    assert not np.array_equal(first.pixels, second.pixels)


def test_drawing_is_deterministic_and_noisy():
    scene = sample_scene("test", 9)
    assert np.array_equal(render_scene(scene).pixels, render_scene(scene).pixels)
    sky = render_scene(replace(scene, objects=())).pixels[:4].astype(float)
    assert sky.std(axis=1).min() > 0.5


def test_another_side_draws_the_same_scene():
    scene = sample_scene("test", 2)
    small, large = render_scene(scene), render_scene(scene, SQUARE.scaled(2))
    assert large.pixels.shape == (192, 192, 3)
    for a, b in zip(small.objects, large.objects, strict=True):
        assert np.allclose(np.array(a.box) * 2, b.box, atol=2.1)


def test_objects_keep_their_shape_on_a_wide_canvas():
    wide = Canvas(72, 128)
    item = one_object(x=0.5, y=0.5)
    square_box = render_scene(scene_of(item)).objects[0].box
    drawn = render_scene(scene_of(item), wide)
    assert drawn.pixels.shape == (72, 128, 3)
    left, top, width, height = drawn.objects[0].box
    assert (width, height) == pytest.approx(square_box[2:], abs=0.7)
    center = (square_box[0] + square_box[2] / 2 - 48, square_box[1] + square_box[3] / 2 - 48)
    assert (left + width / 2 - 64, top + height / 2 - 36) == pytest.approx(center, abs=0.7)
