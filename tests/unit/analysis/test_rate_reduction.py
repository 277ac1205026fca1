import pandas as pd
import pytest

from scr_lens.analysis.rate_reduction import rate_reduction
from scr_lens.analysis.unchanged import unchanged_bound


def paired(n_images, treated):
    rows = [
        {"image_id": f"im{image}", "label": label, "answer": "yes", "answer_treated": treated(image)}
        for image in range(n_images)
        for label in ("yes", "no")
    ]
    return pd.DataFrame(rows)


def test_reduction_counts_false_yes_only():
    found = rate_reduction(paired(10, lambda image: "no" if image < 4 else "yes"), "scr")
    assert found.estimate == pytest.approx(0.4)
    assert found.low < 0.4 < found.high


def test_no_change_has_the_exact_bound_and_the_identity_a_point():
    rows = paired(50, lambda image: "yes")
    found = rate_reduction(rows, "scr")
    assert (found.low, found.high) == (-unchanged_bound(50), unchanged_bound(50))
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 50))
    same = rate_reduction(rows, "identity")
    assert (same.low, same.high) == (0, 0)
