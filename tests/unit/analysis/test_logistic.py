import numpy as np
import pytest
from scipy import optimize

from scr_lens.analysis.logistic import logistic_slope
from scr_lens.errors import DataError

GENERATOR = np.random.default_rng(17)
X = GENERATOR.normal(2, 3, size=500)
Y = (GENERATOR.random(500) < 1 / (1 + np.exp(1 - 0.3 * X))).astype(float)


def test_slope_maximizes_the_likelihood():
    z = (X - X.mean()) / X.std()

    def loss(beta):
        eta = beta[0] + beta[1] * z
        return np.sum(np.logaddexp(0, eta) - Y * eta)

    best = optimize.minimize(
        loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}
    ).x
    assert logistic_slope(X, Y, range(500)).estimate == pytest.approx(best[1], abs=1e-5)


def test_error_without_clusters_is_near_the_information_bound():
    z = (X - X.mean()) / X.std()
    fit = logistic_slope(X, Y, range(500))
    intercept = optimize.brentq(lambda a: np.sum(Y - 1 / (1 + np.exp(-a - fit.estimate * z))), -5, 5)
    p = 1 / (1 + np.exp(-intercept - fit.estimate * z))
    design = np.stack([np.ones_like(z), z], axis=1)
    bound = np.sqrt(np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design)[1, 1])
    assert fit.se == pytest.approx(bound, rel=0.1)


def test_duplicated_questions_change_nothing_and_naive_copies_do():
    once = logistic_slope(X, Y, range(500))
    twice = logistic_slope(np.tile(X, 2), np.tile(Y, 2), [*range(500), *range(500)])
    naive = logistic_slope(np.tile(X, 2), np.tile(Y, 2), range(1000))
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    assert naive.se == pytest.approx(once.se / np.sqrt(2), rel=0.01)


def test_scale_of_the_predictor_does_not_matter():
    assert logistic_slope(1000 * X + 7, Y, range(500)).estimate == pytest.approx(
        logistic_slope(X, Y, range(500)).estimate
    )


def test_refusals():
    with pytest.raises(DataError, match="constant"):
        logistic_slope(np.ones(10), Y[:10], range(10))
    with pytest.raises(DataError, match="constant"):
        logistic_slope(X[:10], np.zeros(10), range(10))
    with pytest.raises(DataError, match="separates the outcomes"):
        logistic_slope(np.arange(10.0), (np.arange(10) > 4).astype(float), range(10))
