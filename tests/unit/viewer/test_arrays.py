import base64
import struct

import numpy as np
import pytest

from scr_lens.viewer.arrays import decode, encode


@pytest.mark.parametrize("dtype", ["float16", "float32", "int16"])
def test_arrays_decode_to_the_originals(dtype):
    values = np.random.default_rng(0).normal(0, 50, (3, 4, 5)).astype(dtype)
    found = decode(encode(values, dtype))
    assert found.dtype == values.dtype and np.array_equal(found, values)


def test_values_without_a_number_survive():
    values = np.array([np.nan, np.inf, -np.inf, 0.0], dtype=np.float32)
    assert np.array_equal(decode(encode(values, "float32")), values, equal_nan=True)


def test_bytes_are_little_endian_and_in_raster_order():
    spec = encode(np.array([[1.5, -2.0], [3.0, 0.25]], order="F"), "float32")
    assert base64.b64decode(spec["base64"]) == struct.pack("<4f", 1.5, -2.0, 3.0, 0.25)
    assert spec["shape"] == [2, 2]
