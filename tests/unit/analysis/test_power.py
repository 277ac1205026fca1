import numpy as np
import pytest
from scipy import stats

from scr_lens.analysis.power import (
    detectable_correlation,
    detectable_effect,
    detectable_net_change,
    required_images,
)
from scr_lens.errors import DataError


def test_large_samples_reach_the_textbook_formula():
    expected = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * 0.01
    assert detectable_effect(0.01, 1_000_000) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("n_images", [20, 150])
def test_solves_its_defining_equation(n_images):
    d = detectable_effect(0.3, n_images, alpha=0.01, power=0.9)
    critical, margin = stats.t.ppf([0.995, 0.9], n_images - 1)
    assert d == pytest.approx(critical * np.sqrt(0.09 + d**2 / n_images) + margin * 0.3)


def test_correlation_adds_on_fishers_scale():
    shift = detectable_effect(0.05, 400)
    assert detectable_correlation(0.05, 400) == pytest.approx(np.tanh(shift))
    assert detectable_correlation(0.05, 400, null=0.5) == pytest.approx(np.tanh(np.arctanh(0.5) + shift))


def test_net_change_has_the_stated_power_in_mcnemars_test():
    n, psi = 2000, 0.15
    d = detectable_net_change(n, psi)
    generator = np.random.default_rng(1)
    counts = generator.multinomial(n, [(psi + d) / 2, (psi - d) / 2, 1 - psi], size=20_000)
    statistic = (counts[:, 0] - counts[:, 1]) / np.sqrt(counts[:, 0] + counts[:, 1])
    assert np.mean(statistic > stats.norm.ppf(0.975)) == pytest.approx(0.8, abs=0.01)


def test_too_few_pairs_detect_nothing():
    assert np.isnan(detectable_net_change(5, 0.2))


def test_required_images_detect_the_effect():
    needed = required_images(0.02, 100, 0.03)
    assert detectable_effect(0.02 * np.sqrt(100 / needed), 100) <= 0.03
    assert detectable_effect(0.02 * np.sqrt(100 / (needed - 1)), 100) > 0.03


def test_refusals():
    with pytest.raises(DataError, match="effect=0"):
        required_images(0.1, 10, 0)
    with pytest.raises(DataError, match="n_pairs=0"):
        detectable_net_change(0, 0.1)
    with pytest.raises(DataError, match="at least 2"):
        detectable_effect(0.1, 1)


def test_too_few_images_detect_nothing():
    assert detectable_effect(0.1, 3) == np.inf
    assert detectable_effect(0.0, 3) == 0.0
    assert np.isfinite(detectable_effect(0.1, 7))
