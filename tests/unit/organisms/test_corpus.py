import numpy as np
import pytest

from scr_lens.organisms.canvas import Canvas
from scr_lens.organisms.corpus import BACKGROUND, LEAST_COVER, load_corpora, patch_labels
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.render import SUPERSAMPLING, render_scene
from scr_lens.organisms.world import sample_scene


@pytest.mark.parametrize("canvas", [Canvas(32, 32), Canvas(24, 48)])
def test_patch_labels_by_counting_pixels(canvas):
    drawn = render_scene(sample_scene("test", 11), canvas)
    labels = patch_labels(drawn, 8)
    block = 8 * SUPERSAMPLING
    assert labels.shape == (canvas.height // 8, canvas.width // 8)
    for row in range(canvas.height // 8):
        for column in range(canvas.width // 8):
            cover = {}
            for pixel in drawn.owner[
                row * block : (row + 1) * block, column * block : (column + 1) * block
            ].ravel():
                if pixel >= 0:
                    name = drawn.objects[pixel].placement.category
                    cover[name] = cover.get(name, 0) + 1 / block**2
            best = max(cover.values(), default=0)
            if best < LEAST_COVER:
                assert labels[row, column] == BACKGROUND
            else:
                assert cover[labels[row, column]] == best


def test_the_corpus_is_the_rendered_world(tiny_corpus, tiny_recipe):
    for index in (0, 7, 23):
        canvases = tiny_recipe.canvases
        drawn = render_scene(sample_scene("train", index * len(canvases)), canvases[0])
        assert np.array_equal(tiny_corpus.pixels[index], drawn.pixels)
        assert tuple(CATEGORY_NAMES[c] for c in tiny_corpus.categories(index)) == drawn.names
        assert tiny_corpus.places[index] == drawn.scene.place


def test_a_cached_corpus_is_read_back(tmp_path):
    (first,) = load_corpora("validation", 3, (Canvas(32, 32),), 8, tmp_path)
    file = next(tmp_path.glob("*.npz"))
    stamp = file.stat().st_mtime_ns
    (second,) = load_corpora("validation", 3, (Canvas(32, 32),), 8, tmp_path)
    assert np.array_equal(first.pixels, second.pixels) and file.stat().st_mtime_ns == stamp
    assert list(tmp_path.glob("*")) == [file]


def test_scenes_take_turns_on_canvases(tmp_path):
    canvases = (Canvas(32, 32), Canvas(24, 40))
    square, wide = load_corpora("validation", 5, canvases, 8, tmp_path)
    assert (len(square), len(wide)) == (3, 2)
    assert wide.grid.height == 3 and wide.grid.width == 5
    assert np.array_equal(wide.pixels[1], render_scene(sample_scene("validation", 3), canvases[1]).pixels)
