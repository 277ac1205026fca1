import numpy as np

from scr_lens.organisms.corpus import BACKGROUND, LEAST_COVER, load_corpus, patch_labels
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.render import SUPERSAMPLING, render_scene
from scr_lens.organisms.world import sample_scene


def test_patch_labels_by_counting_pixels():
    drawn = render_scene(sample_scene("test", 11), 32)
    labels = patch_labels(drawn, 8)
    block = 8 * SUPERSAMPLING
    for row in range(4):
        for column in range(4):
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
        drawn = render_scene(sample_scene("train", index), tiny_recipe.side)
        assert np.array_equal(tiny_corpus.pixels[index], drawn.pixels)
        assert tuple(CATEGORY_NAMES[c] for c in tiny_corpus.categories(index)) == drawn.names
        assert tiny_corpus.places[index] == drawn.scene.place


def test_a_cached_corpus_is_read_back(tmp_path):
    first = load_corpus("validation", 3, 32, 8, tmp_path)
    file = next(tmp_path.glob("*.npz"))
    stamp = file.stat().st_mtime_ns
    second = load_corpus("validation", 3, 32, 8, tmp_path)
    assert np.array_equal(first.pixels, second.pixels) and file.stat().st_mtime_ns == stamp
    assert list(tmp_path.glob("*")) == [file]
