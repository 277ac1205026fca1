import base64
import io

import numpy as np
from PIL import Image
from tiny import noise_image

from scr_lens.grid import PatchGrid
from scr_lens.viewer.picture import center_cut, data_uri, encoded, from_pixels


def test_the_shorter_of_two_formats_is_taken():
    flat = Image.new("RGB", (64, 64), "red")
    photo = noise_image(0, 200, 200).resize((400, 400), Image.Resampling.BICUBIC)
    assert encoded(flat, 64)[0] == "png" and encoded(photo, 400)[0] == "jpeg"
    kind, content = encoded(photo, 100)
    assert max(Image.open(io.BytesIO(content)).size) == 100 and kind in {"png", "jpeg"}


def test_a_small_picture_keeps_its_pixels_and_its_text_is_stable():
    picture = Image.fromarray(np.kron(np.eye(4, dtype=np.uint8) * 255, np.ones((6, 6), dtype=np.uint8)))
    uri = data_uri(picture, 384)
    assert uri == data_uri(picture.copy(), 384) and uri.startswith("data:image/png;base64,")
    shown = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    assert np.array_equal(np.asarray(shown.convert("L")), np.asarray(picture))


def test_the_center_is_cut_out():
    pixels = np.zeros((40, 90, 3), dtype=np.uint8)
    pixels[:, 25:65] = 200
    cut = center_cut(Image.fromarray(pixels), PatchGrid(6, 6))
    assert cut.size == (40, 40) and (np.asarray(cut) == 200).all()


def test_normalized_pixels_become_the_picture_again():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    mean, std = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
    normalized = (np.moveaxis(pixels, -1, 0) / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    assert np.array_equal(np.asarray(from_pixels(normalized, mean, std)), pixels)
    assert np.asarray(from_pixels(normalized + 99, mean, std)).min() == 255
