import numpy as np
import pytest

from scr_lens.analysis.predictions.stratified_gain import entropy_gain, spatial_gain

GENERATOR = np.random.default_rng(4)
IMAGES = np.repeat([f"{k:04d}" for k in range(800)], 3)
PREDICTOR = GENERATOR.random(2400)


def gains(at_low, at_high):
    expected = at_low + (at_high - at_low) * PREDICTOR
    draw = GENERATOR.random(2400)
    return (draw < expected + 0.05).astype(float) - (draw > 0.95)


@pytest.mark.parametrize(
    ("at_low", "at_high", "p2", "p3"),
    [(0.2, 0.0, "supported", "not supported"), (0.0, 0.2, "not supported", "supported")],
)
def test_p2_and_p3_look_in_opposite_directions(at_low, at_high, p2, p3):
    gain = gains(at_low, at_high)
    low_first = entropy_gain(PREDICTOR, gain, IMAGES, estimator="attention", n_resamples=299)
    high_first = spatial_gain(PREDICTOR, gain, IMAGES, estimator="rho(1)", n_resamples=299)
    assert (low_first.verdict, high_first.verdict) == (p2, p3)
    assert (low_first.name, high_first.name) == ("P2", "P3")
    assert low_first.p_value < 0.01 and high_first.p_value < 0.01


def test_estimate_is_the_difference_of_the_outer_groups():
    gain = gains(0.2, 0.0)
    order = np.argsort(PREDICTOR)
    expected = gain[order[:600]].mean() - gain[order[-600:]].mean()
    found = entropy_gain(PREDICTOR, gain, IMAGES, estimator="a", paper_value=0.074, n_resamples=99)
    assert found.estimate == pytest.approx(expected)
    assert found.n_questions == 1200
    assert found.paper_value == 0.074
    assert "lowest minus highest of 4 quantiles" in found.estimator


def test_a_small_study_is_inconclusive_and_says_what_it_could_have_seen():
    found = entropy_gain(
        PREDICTOR[:60], gains(0.1, 0.1)[:60], IMAGES[:60], estimator="a", n_strata=2, n_resamples=199
    )
    assert found.verdict == "inconclusive"
    assert found.detectable_effect > 0.1
