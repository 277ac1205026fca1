import numpy as np
import pytest
from scipy import stats

from scr_lens.analysis.strata import gains_by_stratum, quantile_strata, rates_by_stratum, stratum_contrast
from scr_lens.errors import DataError

GENERATOR = np.random.default_rng(13)


def test_strata_are_the_quantile_groups():
    x = GENERATOR.permutation(12).astype(float)
    strata, edges = quantile_strata(x, 4)
    assert [sorted(x[strata == k]) for k in range(4)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert (edges[0], edges[-1]) == (0, 11)


def test_strata_refusals():
    ties = "20 questions have only 2 different values .* too many ties for 4 groups .*: ask about more images"
    with pytest.raises(DataError, match=ties):
        quantile_strata(np.repeat([1.0, 2.0], 10), 4)
    with pytest.raises(DataError, match="n_strata=1: expected 2 or more"):
        quantile_strata(np.arange(3.0), 1)
    small = "24 questions are too few for 30 groups .*: expected at least 30 questions; ask about more images"
    with pytest.raises(DataError, match=small):
        quantile_strata(np.arange(24.0), 30)
    with pytest.raises(DataError, match=r"1 of 3 questions have no finite value .*; drop those"):
        quantile_strata(np.array([1, np.nan, 2]), 2)


def test_as_many_questions_as_strata_are_enough():
    assert quantile_strata(np.arange(30.0), 30)[0].tolist() == list(range(30))


def test_rates_and_gains_per_stratum_are_group_means():
    x = GENERATOR.normal(size=400)
    hits = (GENERATOR.random(400) < 0.3).astype(float)
    gain = GENERATOR.integers(-1, 2, size=400)
    images = np.repeat(np.arange(100), 4)
    strata, _ = quantile_strata(x, 4)
    rates = rates_by_stratum(x, hits, images)
    gains = gains_by_stratum(x, gain, images, n_resamples=99)
    for k in range(4):
        assert rates.loc[k, "estimate"] == pytest.approx(hits[strata == k].mean())
        assert gains.loc[k, "estimate"] == pytest.approx(gain[strata == k].mean())
        assert rates.loc[k, "predictor_mean"] == pytest.approx(x[strata == k].mean())
        assert rates.loc[k, "n_images"] == len(np.unique(images[strata == k]))
    assert rates["n_questions"].sum() == 400


def test_contrast_of_separate_images_is_welchs_comparison():
    gain = np.concatenate([GENERATOR.normal(0.5, 1, 300), GENERATOR.normal(0, 2, 300)])
    strata = np.repeat([0, 1], 300)
    found = stratum_contrast(strata, gain, range(600), (0, 1))
    welch = stats.ttest_ind(gain[:300], gain[300:], equal_var=False)
    ends = welch.confidence_interval()
    assert found.interval.estimate == pytest.approx(gain[:300].mean() - gain[300:].mean())
    assert (found.interval.low, found.interval.high) == pytest.approx((ends.low, ends.high), abs=0.005)
    assert found.p_value == pytest.approx(welch.pvalue, abs=0.01)
    assert found.n_questions == 600


def test_contrast_reverses_its_sign_and_ignores_middle_strata():
    gain = GENERATOR.normal(size=90)
    strata = np.tile([0, 1, 2], 30)
    images = np.repeat(range(30), 3)
    forward = stratum_contrast(strata, gain, images, (0, 2), n_resamples=99)
    backward = stratum_contrast(strata, gain, images, (2, 0), n_resamples=99)
    assert forward.interval.estimate == pytest.approx(-backward.interval.estimate)
    assert forward.p_value == backward.p_value
    assert forward.n_questions == 60
    with pytest.raises(DataError, match=r"strata \(0, 5\).*found 30 and 0"):
        stratum_contrast(strata, gain, images, (0, 5))


def test_shared_images_are_accounted_for():
    """An image effect common to both strata cancels, so the interval is narrower than for separate images."""
    effect = np.repeat(GENERATOR.normal(0, 2, 100), 2)
    gain = effect + GENERATOR.normal(0, 0.2, 200)
    strata = np.tile([0, 1], 100)
    shared = stratum_contrast(strata, gain, np.repeat(range(100), 2), (0, 1), n_resamples=199)
    apart = stratum_contrast(strata, gain, range(200), (0, 1), n_resamples=199)
    assert shared.interval.se < 0.2 * apart.interval.se
