"""Reading image files whole, with the hash that identifies their bytes."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from scr_lens.errors import DataError
from scr_lens.rgb import upright_rgb
from scr_lens.store import image_digest, missing_image_digest


def read_image(path: Path) -> tuple[Image.Image, str]:
    """Reads an image file whole.

    Args:
        path: File of any format that Pillow knows.

    Returns:
        The decoded RGB image, upright as its EXIF orientation says, and the SHA-256 of the file.

    Raises:
        DataError: If the file is missing, no image, broken, or of 32-bit pixels.
    """
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            return upright_rgb(image), image_digest(content)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; give the path of an image") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: not an image that can be read; give a PNG or JPEG file") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be decoded ({error}); check that the file is complete") from error


def file_digest(path: Path) -> str:
    """Hashes an image file without decoding it.

    Args:
        path: The file.

    Returns:
        SHA-256 of its bytes; of a file that cannot be read, a digest that no file has.
    """
    try:
        return image_digest(path.read_bytes())
    except OSError:
        return missing_image_digest(str(path))
