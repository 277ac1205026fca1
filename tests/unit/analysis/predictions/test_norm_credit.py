import numpy as np
import pytest

from scr_lens.analysis.predictions.norm_credit import norm_credit

GENERATOR = np.random.default_rng(1)


def maps(strength, n=60):
    credit = GENERATOR.gamma(2.0, size=(n, 4, 36))
    return strength * credit + GENERATOR.gamma(2.0, size=credit.shape), credit


@pytest.mark.parametrize(
    ("strength", "verdict"), [(3.0, "supported"), (0.2, "not supported"), (-1.0, "not supported")]
)
def test_verdict_follows_the_strength_of_the_proxy(strength, verdict):
    norm, credit = maps(strength)
    found = norm_credit(
        norm, credit, range(60), layers=range(2), estimator="attention", paper_value=0.72, n_resamples=199
    )
    assert found.verdict == verdict
    assert found.ci_low < found.estimate < found.ci_high
    assert found.paper_value == 0.72
    assert found.estimator == "attention, layers 0-1"
    assert found.detectable_effect > 0.5
    assert (found.p_value < 0.05) == (not found.ci_low < 0.5 < found.ci_high)


def test_estimate_is_the_fisher_mean_over_layers_and_samples():
    norm, credit = maps(1.0, n=10)
    z = [
        np.mean([np.arctanh(np.corrcoef(norm[s, layer], credit[s, layer])[0, 1]) for layer in (1, 2)])
        for s in range(10)
    ]
    found = norm_credit(norm, credit, range(10), layers=range(1, 3), estimator="x", n_resamples=99)
    assert found.estimate == pytest.approx(np.tanh(np.mean(z)))
    assert (found.n_images, found.n_questions) == (10, 10)


def test_constant_maps_are_counted_in_a_caveat():
    norm, credit = maps(1.0, n=10)
    credit[0] = 1.0
    found = norm_credit(norm, credit, range(10), layers=range(2), estimator="x", n_resamples=99)
    assert found.n_questions == 9
    assert "1 samples with a constant map left out" in found.caveats
