import numpy as np
import pandas as pd
import pytest

from scr_lens.analysis.hallucination import (
    METRICS,
    answer_counts,
    difference_p_value,
    differences_table,
    metric_difference,
    metric_interval,
    metric_terms,
    metrics_table,
    summary_row,
)
from scr_lens.analysis.records import of_condition, pair_conditions
from scr_lens.errors import DataError


def brute_force(frame):
    tp = fp = tn = fn = other = 0
    for label, answer in zip(frame["label"], frame["answer"], strict=True):
        tp += label == "yes" and answer == "yes"
        fp += label == "no" and answer == "yes"
        tn += label == "no" and answer == "no"
        fn += label == "yes" and answer == "no"
        other += answer not in ("yes", "no")
    n_absent, n_present, n = sum(frame["label"] == "no"), sum(frame["label"] == "yes"), len(frame)
    precision, recall = tp / (tp + fp), tp / n_present
    return {
        "hallucination_rate": fp / n_absent,
        "accuracy": (tp + tn) / n,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall),
        "yes_ratio": (tp + fp) / n,
        "other_ratio": other / n,
    }


def with_others(frame):
    frame = frame.copy()
    frame.loc[frame.index[::7], "answer"] = "other"
    return frame


@pytest.mark.parametrize("prepare", [lambda frame: frame, with_others])
def test_every_metric_equals_brute_force(answers, prepare):
    frame = prepare(answers()).query("condition == 'vanilla'")
    expected = brute_force(frame)
    assert set(expected) == set(METRICS)
    assert summary_row(frame) == pytest.approx(expected)
    for metric in METRICS:
        assert metric_interval(frame, metric).estimate == pytest.approx(expected[metric])


def test_an_answer_that_is_neither_is_wrong_and_never_a_false_positive():
    frame = pd.DataFrame({"label": ["no", "yes"], "answer": ["other", "other"]})
    assert answer_counts(frame).tolist() == [[0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 0]]


def test_metrics_table_covers_splits_and_counts_each_question_once_in_all(answers):
    table = metrics_table(answers())
    assert set(table["split"]) == {"adversarial", "random", "all"}
    assert len(table) == 2 * 3 * len(METRICS)
    sizes = table[table["condition"] == "scr"].groupby("split")["n_questions"].first()
    assert sizes.to_dict() == {"adversarial": 480, "all": 480, "random": 160}
    assert ((table["ci_low"] <= table["estimate"]) & (table["estimate"] <= table["ci_high"])).all()


def test_difference_is_the_difference_of_the_brute_force_values(answers):
    frame = answers()
    expected_after, expected_before = (brute_force(of_condition(frame, name)) for name in ("scr", "vanilla"))
    table = differences_table(frame, n_resamples=199)
    rows = table[table["split"] == "all"].set_index("metric")
    for metric in METRICS:
        assert rows.loc[metric, "estimate"] == pytest.approx(expected_after[metric] - expected_before[metric])
    assert rows.loc["hallucination_rate", "ci_high"] < 0
    assert rows.loc["hallucination_rate", "p_value"] < 0.01
    assert np.isnan(rows.loc["precision", "p_value"])


def test_paired_interval_is_narrower_than_an_unpaired_one(answers):
    frame = answers(n_images=200)
    paired = metric_difference(
        pair_conditions(frame, "vanilla", "scr"), "hallucination_rate", n_resamples=199
    )
    alone = [metric_interval(of_condition(frame, name), "hallucination_rate") for name in ("vanilla", "scr")]
    unpaired = np.hypot(*[part.se for part in alone])
    assert paired.se < 0.8 * unpaired


def test_duplicated_questions_leave_clustered_intervals_unchanged(answers):
    frame = answers()
    copy = frame.assign(question=frame["question"] + " (copy)")
    once, twice = metrics_table(frame), metrics_table(pd.concat([frame, copy]))
    assert np.allclose(once[["ci_low", "ci_high"]], twice[["ci_low", "ci_high"]])
    change = [
        differences_table(f, n_resamples=99)[["ci_low", "ci_high"]] for f in (frame, pd.concat([frame, copy]))
    ]
    assert np.allclose(change[0], change[1], atol=1e-9)


def test_identical_conditions_differ_by_nothing(answers):
    frame = answers()
    vanilla = frame[frame["condition"] == "vanilla"]
    paired = pair_conditions(
        pd.concat([vanilla, vanilla.assign(condition="identity")]), "vanilla", "identity"
    )
    found = metric_difference(paired, "hallucination_rate")
    assert (found.estimate, found.low, found.high, found.method) == (0, 0, 0, "degenerate")
    assert difference_p_value(paired, "hallucination_rate") == 1.0


def test_undefined_metric_is_reported_as_such(answers):
    frame = answers().query("condition == 'vanilla'").assign(answer="no")
    table = metrics_table(frame)
    row = table[(table["metric"] == "precision") & (table["split"] == "all")].iloc[0]
    assert np.isnan(row["estimate"]) and row["interval"] == "undefined"
    assert metric_interval(frame, "hallucination_rate").high > 0


def test_unknown_metric_is_refused():
    with pytest.raises(DataError, match="metric 'hr': expected one of"):
        metric_terms(np.zeros((1, 6)), "hr")
