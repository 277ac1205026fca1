import itertools

import numpy as np
import pytest
from scipy import stats

from scr_lens.analysis.permutation import image_shuffle_test, sign_flip_test
from scr_lens.errors import DataError


def test_few_images_are_enumerated_exactly():
    values = [3.0, -1.0, 2.0, 4.0, 0.0, -0.5, 2.5]
    flips = itertools.product((1, -1), repeat=len(values))
    sums = [abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in flips]
    expected = np.mean([total >= abs(sum(values)) - 1e-9 for total in sums])
    assert sign_flip_test(values) == pytest.approx(expected)


def test_equal_contributions_give_the_binomial_test():
    values = np.array([1.0] * 30 + [-1.0] * 12 + [0.0] * 60)
    expected = stats.binomtest(30, 42).pvalue
    assert sign_flip_test(values) == pytest.approx(expected, abs=0.004)


def test_many_images_agree_with_scipy():
    values = np.random.default_rng(2).normal(0.25, 1, size=80)
    theirs = stats.permutation_test(
        (values,), np.sum, permutation_type="samples", n_resamples=9999, rng=np.random.default_rng(0)
    ).pvalue
    assert sign_flip_test(values) == pytest.approx(theirs, abs=0.01)


def test_seed_decides_and_nothing_is_certain():
    values = np.ones(40)
    assert sign_flip_test(values, seed=1) == sign_flip_test(values, seed=1) == pytest.approx(1e-4)
    assert sign_flip_test(np.zeros(5)) == 1.0


def test_shuffle_equals_all_permutations_on_a_small_case():
    x, hits, questions = np.array([1.0, 5, 2, 8, 3, 9]), np.array([3, 1, 2, 0, 2, 1]), np.full(6, 3)
    excess = hits - hits.mean()
    observed = abs((x - x.mean()) @ excess)
    every = [abs((np.array(order) - x.mean()) @ excess) for order in itertools.permutations(x)]
    expected = np.mean(np.array(every) >= observed - 1e-9)
    assert image_shuffle_test(x, hits, questions) == pytest.approx(expected, abs=0.01)


def test_refusals():
    with pytest.raises(DataError, match="NaN"):
        sign_flip_test([1.0, np.nan])
    with pytest.raises(DataError, match="at least 2"):
        sign_flip_test([1.0])
    with pytest.raises(DataError, match="lengths 3, 2, 3"):
        image_shuffle_test([1, 2, 3], [1, 2], [1, 1, 1])
