import numpy as np
import pytest
from scipy import stats

from scr_lens.analysis.correlation import (
    fisher_mean,
    layer_correlations,
    layer_range_correlation,
    pearson,
    spearman,
)
from scr_lens.errors import DataError

GENERATOR = np.random.default_rng(11)


def maps(n_samples=40, n_layers=3, n_patches=36, strength=(0.0, 0.5, 2.0)):
    credit = GENERATOR.gamma(2.0, size=(n_samples, n_layers, n_patches))
    noise = GENERATOR.gamma(2.0, size=credit.shape)
    return np.array(strength)[:n_layers, None] * credit + noise, credit


def test_equal_scipy_row_by_row():
    norm, credit = maps()
    norm[0, 0, :5] = norm[0, 0, 5]
    for sample in range(3):
        for layer in range(3):
            pair = norm[sample, layer], credit[sample, layer]
            assert pearson(norm, credit)[sample, layer] == pytest.approx(stats.pearsonr(*pair).statistic)
            assert spearman(norm, credit)[sample, layer] == pytest.approx(stats.spearmanr(*pair).statistic)


def test_constant_map_is_nan_and_not_a_tiny_number():
    flat = np.full((2, 9), 0.1) + 1e-18
    assert np.isnan(pearson(flat, GENERATOR.normal(size=(2, 9)))).all()
    assert np.isnan(spearman(flat, GENERATOR.normal(size=(2, 9)))).all()


def test_fisher_mean_equals_the_closed_form_with_one_sample_per_image():
    r = np.tanh(GENERATOR.normal(0.8, 0.2, size=200))
    found = fisher_mean(r, range(200))
    assert found.estimate == pytest.approx(np.tanh(np.arctanh(r).mean()))
    low, high = stats.t.interval(0.95, 199, np.arctanh(r).mean(), stats.sem(np.arctanh(r)))
    assert found.low == pytest.approx(np.tanh(low), abs=0.01)
    assert found.high == pytest.approx(np.tanh(high), abs=0.01)


def test_fisher_mean_clusters_by_image_and_skips_undefined():
    r = np.tanh(GENERATOR.normal(0.8, 0.2, size=100))
    once = fisher_mean(r, range(100))
    twice = fisher_mean(np.repeat(r, 2), np.repeat(np.arange(100), 2))
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    with_gap = fisher_mean(np.append(r, np.nan), range(101))
    assert (with_gap.estimate, with_gap.n_images) == (pytest.approx(once.estimate), 100)


def test_perfect_agreement_stays_finite():
    found = fisher_mean(np.ones(5), range(5))
    assert found.estimate == pytest.approx(1.0)
    assert np.isfinite([found.low, found.high]).all()


def test_layer_table_orders_layers_by_their_strength():
    norm, credit = maps()
    table = layer_correlations(norm, credit, np.repeat(range(20), 2), n_resamples=200)
    part = table[table["kind"] == "pearson"].set_index("layer")
    assert part["estimate"].is_monotonic_increasing
    assert part.loc[0, "ci_low"] < 0 < part.loc[0, "ci_high"]
    assert part.loc[2, "ci_low"] > 0.7
    assert (table["n_images"] == 20).all() and (table["n_questions"] == 40).all()
    expected = np.tanh(np.arctanh([stats.pearsonr(norm[s, 1], credit[s, 1])[0] for s in range(40)]).mean())
    assert part.loc[1, "estimate"] == pytest.approx(expected)


def test_one_credit_layer_is_compared_with_every_norm_layer():
    norm, credit = maps()
    table = layer_correlations(norm, credit[:, 1:2], range(40), n_resamples=100)
    expected = np.tanh(np.arctanh(pearson(norm[:, 2], credit[:, 1])).mean())
    row = table[(table["layer"] == 2) & (table["kind"] == "pearson")].iloc[0]
    assert row["estimate"] == pytest.approx(expected)


def test_layer_range_averages_defined_layers_only():
    norm, credit = maps(4)
    norm[0, 0] = 1.0
    norm[1, :2] = 1.0
    found = layer_range_correlation(norm, credit, range(2))
    assert found[0] == pytest.approx(pearson(norm[0, 1], credit[0, 1]))
    assert np.isnan(found[1])
    z = [np.arctanh(pearson(norm[2, layer], credit[2, layer])) for layer in range(2)]
    assert found[2] == pytest.approx(np.tanh(np.mean(z)))


def test_refusals():
    with pytest.raises(DataError, match="maps of 4 and 5 patches"):
        pearson(np.ones(4), np.ones(5))
    with pytest.raises(DataError, match="0 of 3 correlations"):
        fisher_mean(np.full(3, np.nan), range(3))
    with pytest.raises(DataError, match=r"range\(0, 4\)"):
        layer_range_correlation(*maps(2), range(4))
