import numpy as np
import pytest
from scipy import interpolate

from scr_lens.analysis.two_lines import level_means, robin_hood, smoother, two_lines
from scr_lens.errors import DataError

LEVELS = np.array([0.8, 0.9, 1.0, 1.1, 1.3, 1.6, 2.0, 3.0])
GENERATOR = np.random.default_rng(19)


def gains(curve, n=200, noise=0.3):
    return (
        np.asarray(curve)
        + noise * GENERATOR.normal(size=(n, 1))
        + noise * GENERATOR.normal(size=(n, len(curve)))
    )


def test_level_means_have_the_covariance_of_image_means():
    study = gains(np.zeros(8))
    means, cov, n_images = level_means(study, range(200))
    assert np.allclose(means, study.mean(axis=0))
    assert np.allclose(cov, np.cov(study.T) / 200)
    assert n_images == 200


def test_level_means_cluster_duplicates():
    study = gains(np.zeros(8))
    images = np.tile(np.arange(200), 2)
    assert np.allclose(level_means(np.tile(study, (2, 1)), images)[1], level_means(study, range(200))[1])


@pytest.mark.parametrize("penalty", [1e-4, 1e-2, 1.0])
def test_smoother_is_scipys_smoothing_spline(penalty, monkeypatch):
    monkeypatch.setattr("scr_lens.analysis.two_lines._PENALTIES", np.array([penalty]))
    means = GENERATOR.normal(size=8)
    scaled = (LEVELS - LEVELS[0]) / np.ptp(LEVELS)
    expected = interpolate.make_smoothing_spline(scaled, means, lam=penalty)(scaled)
    assert np.allclose(smoother(LEVELS, means) @ means, expected, atol=1e-6)


def test_smoother_keeps_straight_lines():
    line = 2 - 3 * LEVELS
    assert np.allclose(smoother(LEVELS, GENERATOR.normal(size=8)) @ line, line)


def test_lines_equal_least_squares_on_each_side():
    curve = -((LEVELS - 1.3) ** 2)
    study = gains(curve, noise=0.05)
    found = two_lines(LEVELS, study, range(200))
    means = study.mean(axis=0)
    for line, chosen in (
        (found.before, found.breakpoint >= LEVELS),
        (found.after, found.breakpoint <= LEVELS),
    ):
        slope = np.polyfit(LEVELS[chosen], means[chosen], 1)[0]
        assert line.slope == pytest.approx(slope)
        assert line.rise == pytest.approx(slope * np.ptp(LEVELS[chosen]))
        assert line.low < line.rise < line.high
        slopes = [np.polyfit(LEVELS[chosen], row[chosen], 1)[0] for row in study]
        assert line.se == pytest.approx(np.std(slopes, ddof=1) / np.sqrt(200) * np.ptp(LEVELS[chosen]))


def test_inverted_u_is_found_and_a_saturating_curve_is_not():
    rising = np.minimum(LEVELS, 1.6)
    peaked = two_lines(LEVELS, gains(rising - 0.6 * np.maximum(LEVELS - 1.6, 0), noise=0.1), range(200))
    flat = two_lines(LEVELS, gains(rising, noise=0.1), range(200))
    assert peaked.p_value < 0.001
    assert 1.1 <= peaked.breakpoint <= 2.0
    assert peaked.weaker()[1] > 0
    assert flat.p_value > 0.05
    assert flat.weaker()[1] < 0.02


def test_weaker_side_takes_the_minimum_of_both():
    found = two_lines(LEVELS, gains(np.minimum(LEVELS, 1.6), noise=0.1), range(200))
    estimate, low, high = found.weaker()
    assert estimate == min(found.before.rise, -found.after.rise)
    assert low == min(found.before.low, -found.after.high)
    assert high == min(found.before.high, -found.after.low)


def test_breakpoint_moves_towards_the_stronger_side():
    """Robin Hood: a flat top is given to the weaker line, so the breakpoint leaves that line's side."""
    plateau = np.array([0.0, 0.02, 0.04, 1.0, 1.0, 1.0, 1.0, 0.0])
    small = np.eye(8) * 1e-3
    high_first = np.diag([10, 10, 10, 1, 1, 1, 1, 1]) * 1e-3
    weaker_first = robin_hood(LEVELS, plateau, high_first)
    even = robin_hood(LEVELS, plateau, small)
    assert LEVELS[1] <= even <= LEVELS[-2]
    assert weaker_first >= even


def test_no_gain_anywhere_is_no_inverted_u():
    found = two_lines(LEVELS, np.zeros((20, 8)), range(20))
    assert found.p_value == 1.0
    assert found.weaker() == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("levels", [LEVELS[:4], LEVELS[::-1], np.append(LEVELS[:7], LEVELS[6])])
def test_refuses_short_or_unsorted_grids(levels):
    with pytest.raises(DataError, match=">= 5 increasing levels"):
        two_lines(levels, np.zeros((20, len(levels))), range(20))
