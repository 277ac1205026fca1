import numpy as np
import pytest
from scipy import stats

from scr_lens.analysis.interval import (
    FISHER,
    LOGIT,
    Interval,
    effective_wilson_bounds,
    linearized_bounds,
    require_images,
    standard_error,
)
from scr_lens.analysis.statistic import CORRELATION, RATIO, RATIO_DIFFERENCE, correlation_totals
from scr_lens.errors import DataError

GENERATOR = np.random.default_rng(5)


def test_mean_of_one_question_per_image_is_the_ordinary_t_interval():
    x = GENERATOR.normal(size=40)
    totals = np.stack([x, np.ones(40)], axis=-1)
    low, high = linearized_bounds(totals, RATIO)
    expected = stats.t.interval(0.95, 39, loc=x.mean(), scale=stats.sem(x))
    assert (low, high) == pytest.approx(expected)


@pytest.mark.parametrize("statistic", [RATIO, RATIO_DIFFERENCE, CORRELATION], ids=lambda s: s.name)
def test_standard_error_equals_the_jackknife_in_large_samples(statistic):
    n = 3000
    terms = GENERATOR.uniform(0.5, 1.5, size=(n, statistic.n_totals))
    if statistic is CORRELATION:
        terms = correlation_totals(*GENERATOR.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], size=n).T)
    left_out = statistic.value(terms.sum(axis=0) - terms)
    jackknife = np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2))
    assert standard_error(terms, statistic) == pytest.approx(jackknife, rel=0.01)


def test_clusters_widen_the_error_of_repeated_questions():
    hits = (GENERATOR.random(300) < 0.2).astype(float)
    once = np.stack([hits, np.ones(300)], axis=-1)
    assert standard_error(2 * once, RATIO) == pytest.approx(standard_error(once, RATIO))
    naive = np.concatenate([once, once])
    assert standard_error(naive, RATIO) == pytest.approx(standard_error(once, RATIO) / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize(("scale", "values"), [(LOGIT, [0.02, 0.5, 0.97]), (FISHER, [-0.9, 0.0, 0.4])])
def test_scales_invert_and_their_slope_is_the_derivative(scale, values):
    x = np.array(values)
    assert np.allclose(scale.backward(scale.forward(x)), x)
    numeric = (scale.forward(x + 1e-6) - scale.forward(x - 1e-6)) / 2e-6
    assert np.allclose(scale.slope(x), numeric, rtol=1e-5)


def test_wilson_equals_the_textbook_formula_without_clustering():
    totals = np.zeros((5000, 2))
    totals[:, 1] = 1
    totals[:700, 0] = 1
    low, high = effective_wilson_bounds(totals)
    expected = stats.binomtest(700, 5000).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=2e-5)


@pytest.mark.parametrize("hits", [0.0, 1.0])
def test_wilson_without_variation_is_not_a_point(hits):
    totals = np.stack([np.full(50, hits), np.ones(50)], axis=-1)
    low, high = (float(end) for end in effective_wilson_bounds(totals))
    assert high - low == pytest.approx(0.0747, abs=1e-3)
    assert (low if hits == 0 else 1 - high) == pytest.approx(0.0, abs=1e-12)


def test_contains_and_require_images():
    assert Interval(0.1, 0.0, 0.2, 0.05, 10, "x").contains(0.2)
    assert not Interval(0.1, 0.0, 0.2, 0.05, 10, "x").contains(0.21)
    with pytest.raises(DataError, match=r"1 image\(s\): expected at least 2"):
        require_images(1)
