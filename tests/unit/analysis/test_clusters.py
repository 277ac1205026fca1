import numpy as np
import pytest

from scr_lens.analysis.clusters import image_codes, image_totals
from scr_lens.errors import DataError


def test_totals_equal_a_loop_and_follow_sorted_ids():
    generator = np.random.default_rng(1)
    images = [f"im{k}" for k in generator.integers(0, 7, size=60)]
    terms = generator.normal(size=(60, 3))
    expected = [sum(terms[q] for q in range(60) if images[q] == image) for image in sorted(set(images))]
    assert np.allclose(image_totals(terms, images), expected)


def test_codes_of_mixed_types():
    codes, count = image_codes([10, "a", 10])
    assert count == 2
    assert codes.tolist() == [0, 1, 0]


def test_refusals():
    with pytest.raises(DataError, match="empty"):
        image_codes([])
    with pytest.raises(DataError, match=r"shape \(2, 1\) for 3"):
        image_totals(np.ones((2, 1)), ["a", "b", "c"])
    with pytest.raises(DataError, match="NaN"):
        image_totals(np.array([[np.nan]]), ["a"])
