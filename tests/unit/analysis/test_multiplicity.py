import numpy as np
import pytest

from scr_lens.analysis.multiplicity import holm
from scr_lens.errors import DataError


def step_down(p_values, alpha):
    """Holm by its definition: reject in order until the first failure."""
    rejected = [False] * len(p_values)
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected


def test_rejections_equal_the_step_down_procedure():
    generator = np.random.default_rng(0)
    for _ in range(200):
        p_values = generator.uniform(0, 0.2, size=generator.integers(1, 8))
        for alpha in (0.01, 0.05, 0.2):
            assert (holm(p_values) <= alpha).tolist() == step_down(p_values, alpha)


def test_textbook_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_one_test_and_no_test_are_unchanged():
    assert holm([0.2]).tolist() == [0.2]
    assert holm([]).tolist() == []


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.2])
def test_refuses_what_is_no_p_value(bad):
    with pytest.raises(DataError, match=r"expected numbers in \[0, 1\]"):
        holm([0.1, bad])
