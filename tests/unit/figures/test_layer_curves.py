import numpy as np

from scr_lens.figures.layer_curves import entropy_limits


def test_limits_hold_the_data_tightly():
    low, high = entropy_limits(np.array([0.996, 0.9975]), np.array([0.9965]))
    assert 0.99 < low < 0.996
    assert 0.9975 < high < 1.0


def test_limits_never_blow_up_rounding():
    low, high = entropy_limits(np.full(4, 0.7), np.full(4, 0.7 + 1e-9))
    assert high - low > 1e-4


def test_wide_data_gets_the_whole_axis():
    low, high = entropy_limits(np.array([0.1, 0.9]))
    assert low == 0.0
    assert high > 1.0


def test_limits_stay_near_the_possible_values():
    low, high = entropy_limits(np.array([0.6, 1.0]))
    assert low >= 0
    assert high < 1.05
