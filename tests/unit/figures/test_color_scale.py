import numpy as np
import pytest

from scr_lens.errors import DataError
from scr_lens.figures.color_scale import ColorScale


def test_spans_all_maps_and_ignores_what_is_not_finite():
    scale = ColorScale.spanning([np.array([1.0, np.nan]), np.array([[5.0, np.inf, 3.0]])], "unit")
    assert (scale.low, scale.high, scale.label) == (1.0, 5.0, "unit")


def test_constant_maps_get_a_range_around_their_value():
    scale = ColorScale.spanning([np.full(3, 2.0)], "")
    assert scale.low < 2.0 < scale.high
    zero = ColorScale.spanning([np.zeros(3)], "")
    assert (zero.low, zero.high) == (-1.0, 1.0)


def test_differences_are_centered_at_zero():
    scale = ColorScale.symmetric([np.array([-3.0, 1.0]), np.array([2.0])], "")
    assert (scale.low, scale.high) == (-3.0, 3.0)
    assert scale.normalize()(0.0) == pytest.approx(0.5)


def test_no_difference_at_all_still_has_a_scale():
    assert ColorScale.symmetric([np.zeros(4)], "").high == 1.0


@pytest.mark.parametrize("maps", [[], [np.array([np.nan])]])
def test_no_finite_value_is_refused(maps):
    with pytest.raises(DataError, match="without a finite value"):
        ColorScale.spanning(maps, "")


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (0.0, np.nan)])
def test_ends_must_be_in_order(low, high):
    with pytest.raises(DataError, match="expected finite ends with low < high"):
        ColorScale(low=low, high=high)
