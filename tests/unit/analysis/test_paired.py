import numpy as np
import pytest
from scipy import stats

from scr_lens.analysis.paired import flips, mcnemar_exact
from scr_lens.analysis.records import pair_conditions
from scr_lens.errors import DataError


@pytest.mark.parametrize(("b", "c"), [(10, 3), (3, 10), (1, 0), (25, 25)])
def test_mcnemar_equals_the_binomial_sum(b, c):
    tail = sum(stats.binom.pmf(k, b + c, 0.5) for k in range(max(b, c), b + c + 1))
    assert mcnemar_exact(b, c) == pytest.approx(min(1.0, 2 * tail))


def test_mcnemar_without_discordant_pairs_and_with_nonsense():
    assert mcnemar_exact(0, 0) == 1.0
    with pytest.raises(DataError, match="new_errors=-1"):
        mcnemar_exact(3, -1)


def test_flips_equal_a_loop(answers):
    paired = pair_conditions(answers(n_images=120), "vanilla", "scr")
    changed = corrected = broken = 0
    for row in paired.itertuples():
        changed += row.answer != row.answer_treated
        corrected += row.answer != row.label and row.answer_treated == row.label
        broken += row.answer == row.label and row.answer_treated != row.label
    found = flips(paired, n_resamples=199)
    assert (found.n_changed, found.n_corrections, found.n_new_errors) == (changed, corrected, broken)
    assert found.share_changed.estimate == pytest.approx(changed / len(paired))
    assert found.share_corrections.estimate == pytest.approx(corrected / (corrected + broken))
    assert found.net_accuracy.estimate == pytest.approx((corrected - broken) / len(paired))
    assert found.p_mcnemar == mcnemar_exact(corrected, broken)
    assert found.p_clustered < 0.01
    assert found.detectable_effect > 2 * found.net_accuracy.se


def test_change_between_two_wrong_answers_is_neither_correction_nor_error(answers):
    frame = answers(n_images=10)
    frame = frame[frame["label"] == "no"]
    frame["answer"] = np.where(frame["condition"] == "vanilla", "yes", "other")
    found = flips(pair_conditions(frame, "vanilla", "scr"), n_resamples=99)
    assert found.n_changed == found.n_questions
    assert found.n_corrections == found.n_new_errors == 0
    assert found.share_corrections is None
