import numpy as np
import pytest
from scipy import stats

from scr_lens.analysis.predictions.overall_gain import overall_gain
from scr_lens.errors import DataError

GENERATOR = np.random.default_rng(6)


def test_one_question_per_image_is_a_paired_t_interval():
    gain = GENERATOR.choice([1.0, 0.0, -1.0], p=[0.1, 0.87, 0.03], size=2000)
    found = overall_gain(gain, range(2000))
    low, high = stats.t.interval(0.95, 1999, gain.mean(), stats.sem(gain))
    assert found.estimate == pytest.approx(gain.mean())
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=0.001)
    assert found.verdict == "supported"
    assert found.name == "SCR"


def test_no_change_at_all_refutes_with_enough_images_only():
    assert overall_gain(np.zeros(50), range(50), name="guidance").verdict == "inconclusive"
    found = overall_gain(np.zeros(500), range(500), name="guidance")
    assert found.verdict == "not supported"
    assert found.p_value == 1.0
    assert "random draw" in found.caveats[0]


def test_unknown_claim_is_refused():
    with pytest.raises(DataError, match="unknown claim 'OPERA'"):
        overall_gain(np.ones(5), range(5), name="OPERA")
