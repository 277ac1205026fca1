import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scr_lens.analysis.entropy import credit_entropy, credit_weights, effective_patches, layer_summary
from scr_lens.errors import DataError

CREDITS = st.lists(st.floats(0.0, 1e6), min_size=2, max_size=40).filter(lambda v: sum(v) > 1e-3)


def test_equals_scipy_on_random_credit():
    credit = np.random.default_rng(0).gamma(0.5, size=(3, 4, 50))
    expected = stats.entropy(credit, axis=-1)
    assert np.allclose(credit_entropy(credit, normalize=False), expected, atol=1e-12)
    assert np.allclose(credit_entropy(credit, normalize=True), expected / math.log(50), atol=1e-12)


def test_extremes():
    assert credit_entropy(np.eye(7)[3], normalize=True) == 0.0
    assert credit_entropy(np.full(7, 0.3), normalize=False) == pytest.approx(math.log(7), abs=1e-12)
    assert credit_entropy(np.full(576, 2.0), normalize=True) == pytest.approx(1.0, abs=1e-12)
    assert effective_patches(np.repeat([1.0, 0.0], 8)) == pytest.approx(8.0)


def test_whole_numbers_and_huge_scales():
    assert credit_entropy(np.array([1, 1, 2]), normalize=False) == pytest.approx(1.5 * math.log(2))
    assert credit_entropy(np.array([1e308, 1e308]), normalize=False) == pytest.approx(math.log(2))


@given(CREDITS, st.floats(1e-3, 1e3), st.randoms(use_true_random=False))
def test_permutation_and_scale_invariant(values, scale, shuffler):
    shuffled = list(values)
    shuffler.shuffle(shuffled)
    before = credit_entropy(np.array(values), normalize=True)
    after = credit_entropy(np.array(shuffled) * scale, normalize=True)
    assert 0 <= before <= 1
    assert after == pytest.approx(before, abs=1e-9)


@given(CREDITS, st.floats(0, 1), st.floats(0, 1))
def test_mixing_with_uniform_never_lowers_it(values, a, b):
    weights = credit_weights(np.array(values))
    low, high = sorted((a, b))
    mixed = [(1 - share) * weights + share / len(values) for share in (low, high)]
    entropies = [credit_entropy(mix, normalize=False) for mix in mixed]
    assert entropies[1] >= entropies[0] - 1e-9


@pytest.mark.parametrize(
    ("credit", "message"),
    [
        (np.array([1.0, -0.5]), r"contains -0.5: expected values >= 0"),
        (np.array([1.0, np.nan]), r"NaN or infinity"),
        (np.array([1.0, np.inf]), r"NaN or infinity"),
        (np.zeros((2, 3)), r"sums to zero"),
        (np.empty((2, 0)), r"shape \(2, 0\)"),
    ],
)
def test_refuses_credit_that_is_no_distribution(credit, message):
    with pytest.raises(DataError, match=message):
        credit_entropy(credit, normalize=False)


def test_refuses_to_normalize_one_patch():
    with pytest.raises(DataError, match="1 patch"):
        credit_entropy(np.array([2.0]), normalize=True)
    assert credit_entropy(np.array([2.0]), normalize=False) == 0.0


def test_layer_summary_averages_the_range():
    entropy = np.array([[0.1, 0.2, 0.6], [1.0, 0.0, 0.5]])
    assert np.allclose(layer_summary(entropy, range(1, 3)), [0.4, 0.25])
    assert np.allclose(layer_summary(entropy), entropy.mean(axis=1))
    with pytest.raises(DataError, match=r"range\(2, 4\).*0\.\.2"):
        layer_summary(entropy, range(2, 4))


def test_one_holder_of_all_credit_has_zero_entropy_without_a_sign():
    for credit in (np.array([2.0]), np.array([0.0, 3.0, 0.0])):
        assert not np.signbit(credit_entropy(credit, normalize=False))
