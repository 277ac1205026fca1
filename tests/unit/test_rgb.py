"""Pictures of every kind come out upright, in RGB and with their brightness, or are refused."""

import io

import numpy as np
import pytest
from PIL import Image

from scr_lens.errors import DataError
from scr_lens.pictures import read_image
from scr_lens.rgb import upright_rgb

ORIENTATION = 0x0112
TURNS = {3: 2, 6: -1, 8: 1}  # EXIF value: quarter turns to the left that make the stored picture upright


def pixels(seed: int = 0, shape: tuple[int, ...] = (4, 6, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_an_upright_rgb_picture_in_memory_is_the_same_object() -> None:
    image = Image.fromarray(pixels())
    assert upright_rgb(image) is image


@pytest.mark.parametrize("orientation", TURNS)
def test_a_stored_turn_is_undone(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = io.BytesIO()
    Image.fromarray(pixels()).save(file, "PNG", exif=exif)
    found = upright_rgb(Image.open(file))
    assert np.array_equal(np.asarray(found), np.rot90(pixels(), TURNS[orientation]))


def test_sixteen_bits_keep_their_brightness(tmp_path) -> None:
    eight = pixels(shape=(4, 6))
    Image.fromarray(eight.astype(np.uint16) * 257).save(tmp_path / "deep.png")  # 255 * 257 = 65535
    opened = Image.open(tmp_path / "deep.png")
    assert opened.mode.startswith("I;16")
    for found in (upright_rgb(opened), read_image(tmp_path / "deep.png")[0]):
        assert found.mode == "RGB"
        assert np.array_equal(np.asarray(found), np.repeat(eight[..., None], 3, axis=2))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_numbers_without_a_range_are_refused(kind: type, tmp_path) -> None:
    image = Image.fromarray(np.linspace(0, 1, 24).reshape(4, 6).astype(kind))
    with pytest.raises(DataError, match=r"32-bit pixels \(mode '[IF]'\).*scale them to 0-255"):
        upright_rgb(image)
    image.save(tmp_path / "deep.tif")
    with pytest.raises(DataError, match=r"deep\.tif: image has 32-bit pixels"):
        read_image(tmp_path / "deep.tif")
