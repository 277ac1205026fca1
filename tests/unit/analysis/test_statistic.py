import numpy as np
import pytest

from scr_lens.analysis.statistic import CORRELATION, RATIO, RATIO_DIFFERENCE, correlation_totals

GENERATOR = np.random.default_rng(3)
CASES = [
    (RATIO, GENERATOR.uniform(1, 5, size=(4, 2))),
    (RATIO_DIFFERENCE, GENERATOR.uniform(1, 5, size=(4, 4))),
    (
        CORRELATION,
        correlation_totals(GENERATOR.normal(size=(4, 30)), GENERATOR.normal(size=(4, 30))).sum(axis=1),
    ),
]


@pytest.mark.parametrize(("statistic", "totals"), CASES, ids=lambda part: getattr(part, "name", ""))
def test_gradient_equals_central_differences(statistic, totals):
    assert totals.shape[-1] == statistic.n_totals
    for column in range(statistic.n_totals):
        step = np.zeros(statistic.n_totals)
        step[column] = 1e-5
        numeric = (statistic.value(totals + step) - statistic.value(totals - step)) / 2e-5
        assert np.allclose(statistic.gradient(totals)[..., column], numeric, rtol=1e-5, atol=1e-8)


def test_correlation_equals_numpy():
    x, y = GENERATOR.normal(size=(2, 200))
    y = y + 0.5 * x + 1000
    expected = np.corrcoef(x, y)[0, 1]
    assert CORRELATION.value(correlation_totals(x, y).sum(axis=0)) == pytest.approx(expected, abs=1e-12)


def test_empty_denominator_is_nan_not_a_warning():
    assert np.isnan(RATIO.value(np.array([0.0, 0.0])))
    assert np.isnan(RATIO_DIFFERENCE.value(np.array([1.0, 2.0, 0.0, 0.0])))
