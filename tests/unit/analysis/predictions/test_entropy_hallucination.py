import numpy as np
import pytest
from scipy import stats

from scr_lens.analysis.predictions.entropy_hallucination import (
    binned_correlation,
    entropy_hallucination,
    naive_p_value,
)

GENERATOR = np.random.default_rng(2)
IMAGES = np.repeat([f"{k:04d}" for k in range(600)], 3)


def study(slope):
    entropy = np.repeat(GENERATOR.normal(size=600), 3) + 0.3 * GENERATOR.normal(size=1800)
    hits = (GENERATOR.random(1800) < 1 / (1 + np.exp(1.5 - slope * entropy))).astype(float)
    return 0.9 + 0.01 * entropy, hits


@pytest.mark.parametrize(
    ("slope", "verdict"), [(-0.6, "supported"), (0.0, "not supported"), (0.6, "not supported")]
)
def test_verdict_follows_the_slope(slope, verdict):
    entropy, hits = study(slope)
    found = entropy_hallucination(entropy, hits, IMAGES, estimator="attention", n_resamples=299)
    assert found.estimate == pytest.approx(stats.pointbiserialr(hits, entropy).statistic)
    assert found.verdict == verdict
    assert (found.p_value < 0.05) == (abs(slope) > 0)
    assert -0.2 < found.detectable_effect < 0
    assert (found.n_images, found.n_questions) == (600, 1800)


def test_clustered_interval_is_wider_than_the_naive_one_when_questions_repeat():
    entropy, hits = study(-0.6)
    single = entropy_hallucination(entropy, hits, IMAGES, estimator="x", n_resamples=299)
    double = entropy_hallucination(
        np.tile(entropy, 2), np.tile(hits, 2), np.tile(IMAGES, 2), estimator="x", n_resamples=299
    )
    assert (double.ci_low, double.ci_high) == pytest.approx((single.ci_low, single.ci_high), abs=1e-9)


def test_binned_correlation_is_that_of_group_means_and_exaggerates():
    entropy, hits = study(-0.6)
    found = binned_correlation(entropy, hits, IMAGES, n_bins=30, n_resamples=99)
    order = np.argsort(entropy)
    means = [(entropy[part].mean(), hits[part].mean()) for part in np.array_split(order, 30)]
    expected = stats.pearsonr(*np.array(means).T)
    assert found.r == pytest.approx(expected.statistic)
    assert found.p_naive == pytest.approx(expected.pvalue)
    assert found.low < found.r < found.high
    assert found.r < 3 * entropy_hallucination(entropy, hits, IMAGES, estimator="x", n_resamples=99).estimate
    assert found.bins["n_questions"].tolist() == [60] * 30
    assert "bin means" in found.label and "not of questions" in found.label


def test_bins_emptied_by_a_resample_are_skipped():
    entropy = np.arange(12.0)
    hits = np.array([1, 1, 0, 1, 0, 1, 0, 0, 1, 0, 0, 0.0])
    found = binned_correlation(entropy, hits, range(12), n_bins=6, n_resamples=200)
    assert -1 <= found.low <= found.r <= found.high <= 1


@pytest.mark.parametrize(("r", "n"), [(-0.68, 30), (0.1, 12), (0.0, 5)])
def test_naive_p_value_equals_scipys(r, n):
    x = GENERATOR.normal(size=n)
    noise = GENERATOR.normal(size=n)
    x = (x - x.mean()) / x.std()
    noise = noise - noise.mean() - (noise @ x) / n * x
    y = r * x + np.sqrt(1 - r * r) * noise / noise.std()
    assert naive_p_value(r, n) == pytest.approx(stats.pearsonr(x, y).pvalue)
    assert np.isnan(naive_p_value(float("nan"), n))
