"""The demo's whole path on a tiny checkpoint and a few scenes."""

import json

import numpy as np
import pandas as pd
import pytest
from tiny import save_llava

from scr_lens.demo import CONDITIONS, interesting, run_demo
from scr_lens.figures import condition_table
from scr_lens.metrics import pope_metrics
from scr_lens.questions import Question
from scr_lens.store import read_run


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="module")
def demo(work, checkpoint):
    return run_demo(str(checkpoint), work / "figures", work=work, n_images=10)


def test_every_question_under_every_condition(demo):
    frame = read_run(demo.run)
    assert set(frame.condition) == set(CONDITIONS) and demo.summary.done == len(frame)
    assert frame.groupby("condition").size().nunique() == 1
    asked = frame[frame.condition == "vanilla"].splits.explode().value_counts()
    assert asked.to_dict() == {"random": 60, "popular": 60, "adversarial": 60}
    pair = [
        frame[frame.condition == name].set_index(["image_id", "object"]).sort_index() for name in CONDITIONS
    ]
    assert np.allclose(pair[0].p_yes, pair[3].p_yes, atol=1e-6)  # vanilla shares the image, identity does not
    assert not pair[0].p_yes.equals(pair[1].p_yes)


def test_the_table_is_what_the_scorer_says(demo):
    frame = read_run(demo.run)
    # Random weights hardly ever say yes or no first; take the likelier of the two as the answer.
    middle = (frame.p_yes - frame.p_no).median()
    frame["answer"] = np.where(frame.p_yes - frame.p_no > middle, "yes", "no")
    for row in condition_table(frame).itertuples():
        rows = frame[frame.condition == row.condition]
        if row.split != "all":
            asked = [list(splits).count(row.split) for splits in rows.splits]
            rows = rows.loc[rows.index.repeat(asked)]
        score = pope_metrics(rows.label, rows.answer)
        assert 0 < score.tp + score.fp < score.n
        for metric in ("hallucination_rate", "accuracy", "precision", "recall", "f1", "yes_ratio"):
            assert getattr(row, metric) == pytest.approx(getattr(score, metric)), metric


def test_files_are_written_and_accounted_for(demo):
    names = {file.name for file in demo.files}
    assert {"pope.md", "pope.csv", "conditions.png", "conditions.pdf", "provenance.json"} <= names
    assert {"entropy-hallucination-attention.png", "entropy-hallucination-norm.csv"} <= names
    assert len([name for name in names if name.startswith("inspect-") and name.endswith(".png")]) >= 1
    assert all(file.stat().st_size > 0 for file in demo.files)
    figures = json.loads((demo.files[-1]).read_text())["figures"]
    assert {file for entry in figures.values() for file in entry["files"]} == names - {"provenance.json"}
    assert demo.note == ""


def test_a_second_demo_only_draws_and_draws_the_same(demo, work, checkpoint):
    # Within one process a PDF may hold -0 where the first held 0 (matplotlib's layout), and the provenance
    # holds its hash; both were equal between fresh processes whenever we looked.
    stable = [file for file in demo.files if file.suffix in {".png", ".csv", ".md"}]
    before = [file.read_bytes() for file in stable]
    again = run_demo(str(checkpoint), work / "figures", work=work, n_images=10)
    assert again.summary.done == 0 and again.summary.stored_before == again.summary.planned
    assert again.files == demo.files
    changed = [
        file.name for file, content in zip(stable, before, strict=True) if file.read_bytes() != content
    ]
    assert changed == [] and len(stable) >= 8


def test_interesting_questions_are_the_extremes():
    def rows(condition, values):
        names = ["a", "b", "c", "d"]
        labels, answers = ["no", "no", "yes", "yes"], ["yes", "yes", "yes", "no"]
        return [
            {"image_id": n, "object": "x", "label": lab, "answer": ans, "condition": condition, "p_yes": v}
            for n, lab, ans, v in zip(names, labels, answers, values, strict=True)
        ]

    frame = pd.DataFrame(rows("vanilla", [0.6, 0.9, 0.7, 0.2]) + rows("scr", [0.6, 0.85, 0.7, 0.45]))
    questions = [Question(image=None, image_id=n, text="", object="x", label="no", splits=()) for n in "abcd"]
    assert [q.image_id for q in interesting(frame, questions)] == ["b", "c", "d"]
