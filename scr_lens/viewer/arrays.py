"""Arrays as the viewer reads them: little-endian bytes in base64, with their type and shape."""

from __future__ import annotations

import base64
from typing import Any, Literal

import numpy as np

ArrayType = Literal["float16", "float32", "int16"]
Spec = dict[str, Any]


def encode(values: np.ndarray, dtype: ArrayType) -> Spec:
    """Pack an array.

    Args:
        values: Any shape; NaN and infinities are kept.
        dtype: Type of the packed values; float16 keeps 11 significant bits.

    Returns:
        `dtype`, `shape` and `base64` of the little-endian values in row-major order.
    """
    packed = np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<"))
    return {
        "dtype": dtype,
        "shape": list(packed.shape),
        "base64": base64.b64encode(packed.tobytes()).decode("ascii"),
    }


def decode(spec: Spec) -> np.ndarray:
    """Unpack what `encode` made.

    Args:
        spec: Its result.

    Returns:
        The array, in the type it was packed in.
    """
    dtype = np.dtype(spec["dtype"]).newbyteorder("<")
    flat: np.ndarray = np.frombuffer(base64.b64decode(spec["base64"]), dtype=dtype)
    return flat.reshape(spec["shape"]).astype(dtype.newbyteorder("="))
