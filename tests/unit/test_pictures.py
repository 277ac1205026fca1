import numpy as np
import pytest
from PIL import Image

from scr_lens.errors import DataError
from scr_lens.pictures import file_digest, read_image

TURNED_RIGHT = (
    6  # EXIF: the camera was held so that the stored picture has to be turned a quarter to the right
)
ORIENTATION = 0x0112


def test_a_photograph_is_turned_upright_as_its_exif_says(tmp_path):
    stored = np.zeros((4, 6, 3), dtype=np.uint8)
    stored[0, 0] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED_RIGHT
    Image.fromarray(stored).save(tmp_path / "turned.png", exif=exif)
    image, digest = read_image(tmp_path / "turned.png")
    assert np.array_equal(np.asarray(image), np.rot90(stored, -1))
    assert digest == file_digest(tmp_path / "turned.png")


def test_a_picture_without_orientation_is_as_stored(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    assert np.array_equal(np.asarray(read_image(tmp_path / "plain.png")[0]), pixels)


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_image(tmp_path / "none.png")
