import numpy as np
import pandas as pd
import pytest

from scr_lens.analysis.records import (
    absent_questions,
    is_absent,
    is_correct,
    normalized_entropy,
    of_condition,
    of_split,
    pair_conditions,
    require_columns,
    said_yes,
    split_names,
    stack_column,
    usable_records,
)
from scr_lens.errors import DataError


def test_failed_records_are_left_out(answers):
    frame = answers()
    frame.loc[3, "status"] = "error"
    assert len(usable_records(frame)) == len(frame) - 1
    assert len(usable_records(frame.drop(columns="status"))) == len(frame)
    with pytest.raises(DataError, match=r"0 of \d+ records are usable"):
        usable_records(frame.assign(status="error"))


def test_unknown_label_is_refused(answers):
    with pytest.raises(DataError, match="label 'maybe': expected 'yes' or 'no'"):
        usable_records(answers().assign(label="maybe"))


def test_condition_and_split_selection(answers):
    frame = answers()
    assert set(of_condition(frame, "scr")["condition"]) == {"scr"}
    with pytest.raises(DataError, match=r"condition 'opera': expected one of \['scr', 'vanilla'\]"):
        of_condition(frame, "opera")
    assert len(of_split(frame, "random")) == len(frame) // 3
    with pytest.raises(DataError, match=r"split 'hard'.*'adversarial'"):
        of_split(frame, "hard")
    assert split_names(frame) == ["adversarial", "random"]
    assert split_names(frame.drop(columns="splits")) == []


def test_splits_may_be_arrays(answers):
    frame = answers()
    frame["splits"] = [np.array(names) for names in frame["splits"]]
    assert len(of_split(frame, "random")) == len(frame) // 3


def test_pairing_matches_by_question_whatever_the_order(answers):
    frame = answers(n_images=5)
    paired = pair_conditions(frame.sample(frac=1, random_state=0), "vanilla", "scr")
    expected = frame.pivot(index=["image_id", "question"], columns="condition", values="answer")
    found = paired.set_index(["image_id", "question"])[["answer", "answer_treated"]].sort_index()
    assert (found.to_numpy() == expected[["vanilla", "scr"]].sort_index().to_numpy()).all()
    assert paired.attrs["n_unpaired"] == 0


def test_pairing_reports_the_unpaired_and_refuses_doubles(answers):
    frame = answers(n_images=5)
    assert pair_conditions(frame.iloc[1:], "vanilla", "scr").attrs["n_unpaired"] == 1
    with pytest.raises(DataError, match="more than once"):
        pair_conditions(pd.concat([frame, frame.iloc[:1]]), "vanilla", "scr")
    other = frame[frame["condition"] == "scr"]
    other = other.assign(question=other["question"] + " again")
    with pytest.raises(DataError, match="no question is answered under both"):
        pair_conditions(pd.concat([frame[frame["condition"] == "vanilla"], other]), "vanilla", "scr")


def test_answer_columns():
    frame = pd.DataFrame({"label": ["no", "no", "yes", "yes"], "answer": ["yes", "other", "yes", "no"]})
    assert said_yes(frame).tolist() == [1, 0, 1, 0]
    assert is_absent(frame).tolist() == [1, 1, 0, 0]
    assert is_correct(frame).tolist() == [0, 0, 1, 0]
    assert len(absent_questions(frame)) == 2
    with pytest.raises(DataError, match="0 of 2 records ask about an absent object"):
        absent_questions(frame[frame["label"] == "yes"])


def test_normalized_entropy_uses_each_records_own_grid():
    frame = pd.DataFrame(
        {
            "grid_h": [4, 2],
            "grid_w": [4, 3],
            "entropy_attention_nats": [np.log(16), np.log(3)],
            "entropy_norm_nats": [np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0])],
        }
    )
    assert np.allclose(normalized_entropy(frame), [1.0, np.log(3) / np.log(6)])
    assert np.allclose(normalized_entropy(frame, "norm", range(1, 3)), [1.5 / np.log(16), 1 / np.log(6)])
    with pytest.raises(DataError, match="entropy_grad_nats"):
        normalized_entropy(frame, "grad")


def test_stack_column():
    frame = pd.DataFrame({"resid_norm": [np.arange(6), np.arange(6, 12)]})
    assert stack_column(frame, "resid_norm", 2)[1, 1].tolist() == [9, 10, 11]
    with pytest.raises(DataError, match=r"holds 1 arrays .* for 2 rows"):
        stack_column(pd.DataFrame({"resid_norm": [np.arange(6), None]}), "resid_norm")
    with pytest.raises(DataError, match="group by grid size"):
        stack_column(pd.DataFrame({"resid_norm": [np.arange(6), np.arange(4)]}), "resid_norm")


def test_missing_columns_are_named():
    with pytest.raises(DataError, match=r"records lack \['b'\]: found \['a'\]"):
        require_columns(pd.DataFrame({"a": [1]}), ["a", "b"])
