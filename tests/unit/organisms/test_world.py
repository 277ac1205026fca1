import numpy as np
import pytest

from scr_lens.errors import DataError
from scr_lens.organisms.icons import CATEGORY_NAMES, ICONS
from scr_lens.organisms.scenes import SCENE_TYPES
from scr_lens.organisms.world import (
    LARGEST,
    OUT_OF_POOL,
    SMALLEST,
    SPLIT_SEEDS,
    sample_scene,
    swap_background,
)


def test_the_world_has_the_promised_variety():
    assert len(ICONS) >= 24 and len(set(CATEGORY_NAMES)) == len(ICONS)
    assert len(SCENE_TYPES) >= 6
    assert len({icon.coco_id for icon in ICONS}) == len(ICONS)
    assert set().union(*(place.pool for place in SCENE_TYPES)) == set(CATEGORY_NAMES)


def test_icons_fill_their_unit_box_and_stay_near_it():
    for icon in ICONS:
        points = np.concatenate([part.points for part in icon.parts])
        assert np.abs(points).max() <= 0.55, icon.name
        assert np.ptp(points, axis=0).max() >= 0.6, icon.name


def test_a_scene_is_a_function_of_split_and_index():
    assert sample_scene("test", 5) == sample_scene("test", 5)
    assert sample_scene("test", 5) != sample_scene("test", 6)


def test_splits_share_no_scene():
    drawn = {split: {sample_scene(split, k).objects for k in range(200)} for split in SPLIT_SEEDS}
    assert not drawn["train"] & drawn["test"]
    assert not drawn["train"] & drawn["validation"]
    assert not drawn["validation"] & drawn["test"]
    assert len({sample_scene(split, 7).image_id for split in SPLIT_SEEDS}) == 3


def test_sizes_and_counts_stay_in_their_ranges():
    scenes = [sample_scene("train", k) for k in range(400)]
    sizes = np.array([item.size for scene in scenes for item in scene.objects])
    assert SMALLEST <= sizes.min() < 0.06 and 0.35 < sizes.max() <= LARGEST
    counts = {len(scene.categories) for scene in scenes}
    assert counts == {3, 4, 5, 6}
    positions = np.array([(item.x, item.y) for scene in scenes for item in scene.objects])
    assert positions.min() < 0.02 and positions.max() > 0.98


def test_the_place_predicts_its_pool_and_can_be_wrong():
    inside = [
        CATEGORY_NAMES[c] in SCENE_TYPES[scene.place].pool
        for scene in (sample_scene("train", k) for k in range(1500))
        for c in scene.categories
    ]
    # Pools can run out of fresh members, which only raises the share from outside a little.
    assert 1 - OUT_OF_POOL - 0.06 < np.mean(inside) < 1 - OUT_OF_POOL + 0.03


def test_swapping_the_background_keeps_the_objects():
    scene = sample_scene("test", 3)
    swapped = swap_background(scene, (scene.place + 1) % len(SCENE_TYPES))
    assert swapped.objects == scene.objects and swapped.place == scene.place
    assert swapped.background != scene.background


@pytest.mark.parametrize(("split", "index"), [("tset", 0), ("test", -1)])
def test_an_unknown_scene_is_refused(split, index):
    with pytest.raises(DataError, match="expected split in"):
        sample_scene(split, index)


def test_an_unknown_background_is_refused():
    with pytest.raises(DataError, match="background 99"):
        swap_background(sample_scene("test", 0), 99)
