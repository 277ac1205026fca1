"""Pictures of any kind as the RGB pictures that models are asked about, or a refusal; never a blank one."""

import numpy as np
from PIL import ExifTags, Image, ImageOps

from scr_lens.errors import DataError

_SIXTEEN_BIT = 65535 // 255


def upright_rgb(image: Image.Image) -> Image.Image:
    """An RGB picture, upright as its EXIF orientation says.

    Grey pictures of 16 bits are scaled to 8: value / 257, rounded. Pillow alone would cut them off at 255.

    Args:
        image: A PIL image.

    Returns:
        The very same object if it is an RGB picture in memory and upright; else a new one.

    Raises:
        DataError: If its pixels are 32-bit numbers, whose range nothing states.
        OSError: If its file is broken, as Pillow says it.
    """
    if image.mode in ("I", "F"):
        raise DataError(
            f"image has 32-bit pixels (mode {image.mode!r}), and nothing says which value is white; scale "
            "them to 0-255 and convert the image to 8 bits first"
        )
    turned = ImageOps.exif_transpose(image) if _is_turned(image) else image
    if turned.mode.startswith("I;16"):
        grey = np.rint(np.asarray(turned, dtype=np.float64) / _SIXTEEN_BIT)
        turned = Image.fromarray(grey.astype(np.uint8))
    return turned if turned.mode == "RGB" and not hasattr(turned, "fp") else turned.convert("RGB")


def _is_turned(image: Image.Image) -> bool:
    return bool(image.getexif().get(ExifTags.Base.Orientation, 1) != 1)
