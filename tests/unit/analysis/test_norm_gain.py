import numpy as np
import pytest

from scr_lens.analysis.norm_gain import nominal_gain, norm_gain
from scr_lens.errors import DataError


def test_nominal_gain_counts_what_a_source_keeps_and_hands_out():
    source, neighbors, strength = 7.0, 6, 1.1
    after = source / strength + sum((strength - 1) * source for _ in range(neighbors))
    assert nominal_gain(strength, neighbors) == pytest.approx(after / source)
    assert nominal_gain(strength, neighbors) == pytest.approx(1.509, abs=1e-3)
    assert nominal_gain(1.0, 5.3) == 1.0


def test_measured_gain_of_both_aggregates():
    generator = np.random.default_rng(0)
    before, after = generator.random((2, 5, 3, 16))
    for sample in range(5):
        for layer in range(3):
            b, a = before[sample, layer], after[sample, layer]
            assert norm_gain(before, after)[sample, layer] == pytest.approx(a.sum() / b.sum())
            expected = np.linalg.norm(a) / np.linalg.norm(b)
            assert norm_gain(before, after, "frobenius")[sample, layer] == pytest.approx(expected)


def test_refusals():
    ones = np.ones((2, 4))
    with pytest.raises(DataError, match="lambda=0"):
        nominal_gain(0, 6)
    with pytest.raises(DataError, match=r"shapes \(2, 4\) and \(2, 3\)"):
        norm_gain(ones, np.ones((2, 3)))
    with pytest.raises(DataError, match="negative, NaN"):
        norm_gain(ones, -ones)
    with pytest.raises(DataError, match="all norms of a layer are zero"):
        norm_gain(0 * ones, ones)
