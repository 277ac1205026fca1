import numpy as np
import pytest
from scipy import stats

from scr_lens.analysis.bootstrap import (
    bca_levels,
    bootstrap_errors,
    bootstrap_values,
    cluster_interval,
    jackknife_values,
    rate_interval,
    resample_weights,
)
from scr_lens.analysis.interval import standard_error
from scr_lens.analysis.statistic import CORRELATION, RATIO, RATIO_DIFFERENCE, correlation_totals
from scr_lens.errors import DataError


def skewed_totals(n_images=60, seed=0):
    generator = np.random.default_rng(seed)
    questions = generator.integers(1, 6, size=n_images)
    return np.stack(
        [generator.binomial(questions, generator.beta(1, 4, n_images)), questions], axis=-1
    ).astype(float)


def test_weights_are_seeded_and_sum_to_the_number_of_images():
    weights = resample_weights(11, 40, seed=4)
    assert np.array_equal(weights, resample_weights(11, 40, seed=4))
    assert not np.array_equal(weights, resample_weights(11, 40, seed=5))
    assert (weights.sum(axis=1) == 11).all()


@pytest.mark.parametrize("statistic", [RATIO, RATIO_DIFFERENCE, CORRELATION], ids=lambda s: s.name)
def test_replicates_and_errors_equal_explicit_resampling(statistic):
    generator = np.random.default_rng(2)
    totals = generator.uniform(1, 3, size=(9, statistic.n_totals))
    if statistic is CORRELATION:
        totals = correlation_totals(*generator.normal(size=(2, 9, 4))).sum(axis=1)
    weights = resample_weights(9, 30, seed=1)
    for row, value, error in zip(
        weights,
        bootstrap_values(totals, statistic, weights),
        bootstrap_errors(totals, statistic, weights),
        strict=True,
    ):
        drawn = np.repeat(totals, row.astype(int), axis=0)
        assert value == pytest.approx(statistic.value(drawn.sum(axis=0)))
        assert error == pytest.approx(standard_error(drawn, statistic), abs=1e-9)


def test_leading_axes_are_independent_data_sets():
    stacked = np.stack([skewed_totals(seed=1), skewed_totals(seed=2)])
    weights = resample_weights(60, 25)
    together = bootstrap_errors(stacked, RATIO, weights)
    assert np.allclose(together[1], bootstrap_errors(stacked[1], RATIO, weights))


def test_one_question_per_image_equals_scipys_bca():
    x = np.random.default_rng(3).exponential(size=80)
    ours = cluster_interval(np.stack([x, np.ones(80)], -1), method="bca", n_resamples=20000)
    theirs = stats.bootstrap((x,), np.mean, n_resamples=20000, method="BCa", rng=np.random.default_rng(0))
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.01)


def test_percentile_ends_are_quantiles_of_the_replicates():
    totals = skewed_totals()
    found = cluster_interval(totals, method="percentile", n_resamples=500, seed=9)
    replicates = bootstrap_values(totals, RATIO, resample_weights(60, 500, seed=9))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(replicates, [0.025, 0.975])))


def test_studentized_equals_a_loop():
    totals = skewed_totals()
    found = cluster_interval(totals, method="studentized", n_resamples=400, seed=2)
    t_values = []
    value, error = RATIO.value(totals.sum(axis=0)), standard_error(totals, RATIO)
    for row in resample_weights(60, 400, seed=2):
        drawn = np.repeat(totals, row.astype(int), axis=0)
        t_values.append((RATIO.value(drawn.sum(axis=0)) - value) / standard_error(drawn, RATIO))
    low_t, high_t = np.quantile(t_values, [0.025, 0.975])
    assert found.method == "studentized"
    assert (found.low, found.high) == pytest.approx((value - high_t * error, value - low_t * error))


def test_bca_without_bias_or_acceleration_is_percentile():
    symmetric = np.linspace(-1, 1, 1001)
    assert bca_levels(0.0, symmetric, symmetric, 0.9) == pytest.approx((0.05, 0.95), abs=1e-9)


def test_jackknife_leaves_out_one_image():
    totals = skewed_totals(5)
    expected = [RATIO.value(np.delete(totals, k, axis=0).sum(axis=0)) for k in range(5)]
    assert np.allclose(jackknife_values(totals, RATIO), expected)


@pytest.mark.parametrize("method", ["studentized", "linearized", "percentile", "bca"])
def test_duplicating_every_question_changes_nothing(method):
    totals = skewed_totals()
    once = cluster_interval(totals, method=method, n_resamples=300)
    twice = cluster_interval(2 * totals, method=method, n_resamples=300)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), abs=1e-12)
    naive = cluster_interval(np.concatenate([totals, totals]), method=method, n_resamples=300)
    assert naive.high - naive.low < 0.85 * (once.high - once.low)


def test_rate_interval_is_also_unchanged_by_duplication():
    once, twice = rate_interval(skewed_totals()), rate_interval(2 * skewed_totals())
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), abs=1e-12)


def test_identical_images_give_a_degenerate_interval():
    found = cluster_interval(np.tile([0.0, 3.0], (20, 1)))
    assert (found.low, found.high, found.method) == (0.0, 0.0, "degenerate")


def test_rare_events_fall_back_to_the_linearized_interval():
    totals = np.tile([0.0, 1.0], (40, 1))
    totals[0, 0] = 1.0
    found = cluster_interval(totals, method="studentized")
    assert found.method == "linearized"
    assert found.low < found.estimate < found.high


def test_refusals():
    with pytest.raises(DataError, match="at least 2"):
        cluster_interval(np.ones((1, 2)))
    with pytest.raises(DataError, match="ratio is undefined"):
        cluster_interval(np.zeros((4, 2)))
    with pytest.raises(DataError, match="rate is undefined"):
        rate_interval(np.zeros((4, 2)))
