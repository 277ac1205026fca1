"""Pictures as the viewer shows them: small, embedded, and cut to what the patch grid covers."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from scr_lens.grid import PatchGrid


def data_uri(image: Image.Image, side: int) -> str:
    """Put a picture into a text.

    Args:
        image: Any picture.
        side: Longest side in pixels; larger pictures are shrunk, smaller ones kept as they are.

    Returns:
        A data URI with PNG or JPEG content, whichever is shorter; the same text for the same picture.
    """
    kind, content = encoded(image, side)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def encoded(image: Image.Image, side: int) -> tuple[str, bytes]:
    """Encode a picture.

    Args:
        image: Any picture.
        side: Longest side in pixels.

    Returns:
        "png" or "jpeg", and the content of such a file; ties go to PNG, which loses nothing.
    """
    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    contents = {"png": _saved(small, "PNG", optimize=True), "jpeg": _saved(small, "JPEG", quality=88)}
    kind = min(contents, key=lambda name: len(contents[name]))
    return kind, contents[kind]


def center_cut(image: Image.Image, grid: PatchGrid) -> Image.Image:
    """Cut the largest centered part that has the grid's proportions, as CLIP's processor does.

    Args:
        image: The picture as given.
        grid: Patch grid.

    Returns:
        The part that the grid covers.
    """
    cell = min(image.width / grid.width, image.height / grid.height)
    width, height = round(cell * grid.width), round(cell * grid.height)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def from_pixels(pixels: np.ndarray, mean: list[float], std: list[float]) -> Image.Image:
    """Turn a model's normalized input back into a picture.

    Args:
        pixels: Normalized values [channel, height, width].
        mean: Mean per channel that was subtracted.
        std: Standard deviation per channel that was divided by.

    Returns:
        The picture; values beyond black and white are clipped.
    """
    restored = pixels * np.reshape(std, (-1, 1, 1)) + np.reshape(mean, (-1, 1, 1))
    levels = np.clip(np.rint(255 * restored), 0, 255).astype(np.uint8)
    return Image.fromarray(np.moveaxis(levels, 0, -1))


def _saved(image: Image.Image, kind: str, **options: int | bool) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
