import numpy as np
import pandas as pd
import pytest

from scr_lens.analysis.predictions.entropy_hallucination import binned_correlation, entropy_hallucination
from scr_lens.analysis.predictions.from_baseline import ef1, p1, p1_binned
from scr_lens.analysis.predictions.norm_credit import norm_credit

SAMPLING = {"n_resamples": 99, "seed": 3}


@pytest.fixture
def records(answers):
    frame = answers(n_images=60)
    generator = np.random.default_rng(1)
    attention = [generator.gamma(1.0, size=16) for _ in range(len(frame))]
    frame["attention"] = attention
    frame["resid_norm"] = [
        np.concatenate([3 * a + generator.random(16), generator.random(16)]) for a in attention
    ]
    frame["entropy_attention_nats"] = generator.uniform(1, 2.5, size=len(frame))
    frame["entropy_norm_nats"] = [generator.uniform(1, 2.5, size=2) for _ in range(len(frame))]
    return frame.assign(grid_h=4, grid_w=4, n_layers=2)


def selected(records, label=None):
    rows = records[records["condition"] == "vanilla"].reset_index(drop=True)
    return rows if label is None else rows[rows["label"] == label].reset_index(drop=True)


def test_ef1_reshapes_flat_norms_by_layer(records):
    rows = selected(records)
    norm = np.stack([np.stack([value[:16], value[16:]]) for value in rows["resid_norm"]])
    credit = np.stack(list(rows["attention"]))[:, None]
    expected = norm_credit(norm, credit, rows["image_id"], layers=range(1), estimator="attention", **SAMPLING)
    assert ef1(records, layers=range(1), sampling=SAMPLING) == expected
    assert expected.verdict == "supported"


def test_p1_uses_absent_questions_of_the_baseline_and_normalizes(records):
    rows = selected(records, "no")
    entropy = rows["entropy_attention_nats"].to_numpy() / np.log(16)
    hits = (rows["answer"] == "yes").to_numpy(dtype=float)
    images = rows["image_id"].tolist()
    expected = entropy_hallucination(entropy, hits, images, estimator="attention", **SAMPLING)
    found = p1(records, sampling=SAMPLING)
    assert found.n_questions == 180
    assert found == expected


def test_p1_on_layered_entropy_and_in_bins(records):
    rows = selected(records, "no")
    entropy = np.array([value[1] for value in rows["entropy_norm_nats"]]) / np.log(16)
    hits = (rows["answer"] == "yes").to_numpy(dtype=float)
    expected = binned_correlation(entropy, hits, rows["image_id"].tolist(), n_bins=10, **SAMPLING)
    found = p1_binned(records, estimator="norm", layers=range(1, 2), n_bins=10, sampling=SAMPLING)
    assert (found.r, found.low, found.high) == (expected.r, expected.low, expected.high)
    pd.testing.assert_frame_equal(found.bins, expected.bins)
