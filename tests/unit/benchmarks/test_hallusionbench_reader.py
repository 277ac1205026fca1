import json
from pathlib import Path
from typing import Any

import pytest

from scr_lens.benchmarks.hallusionbench_reader import read_hallusionbench_questions, score_hallusionbench
from scr_lens.errors import DataError
from scr_lens.metrics.hallusionbench import hallusionbench_score

RECORD = {
    **{"category": "VD", "subcategory": "math", "set_id": "0", "figure_id": "1", "question_id": "0"},
    **{
        "visual_input": "2",
        "question": "Is it?",
        "gt_answer": "1",
        "gt_answer_details": "It is.",
        "filename": "a.png",
    },
}


def write(path: Path, *changes: dict[str, Any]) -> Path:
    lines = ({key: value for key, value in (RECORD | change).items() if value != "-"} for change in changes)
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_reading_and_scoring(tmp_path: Path) -> None:
    questions = write(tmp_path / "q.json", {}, {"question_id": 1, "gt_answer": "0", "filename": None})
    read = read_hallusionbench_questions(questions)
    assert [question.image for question in read] == ["a.png", None]
    assert (read[1].item.question_id, read[1].item.label, read[1].details) == ("1", False, "It is.")
    answers = write(
        tmp_path / "a.json",
        {"gt_answer": "-", "model_prediction": "Yes.", "verdict": "0"},
        {"gt_answer": "-", "question_id": "1", "model_prediction": "Perhaps.", "verdict": 1},
    )
    by_parser = score_hallusionbench(answers, questions=questions)
    assert (by_parser.judge, by_parser.overall.a_acc, by_parser.n_unclear) == ("parser", 50.0, 1)
    by_judge = score_hallusionbench(answers, questions=questions, correctness_key="verdict")
    assert (by_judge.judge, by_judge.overall.a_acc, by_judge.n_unclear) == ("field", 50.0, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([{}, {}], r"a.json:2: question VD_math_0_1_0 is already at line 1"),
        ([{"category": "VX"}], r"a.json:1: field 'category' is 'VX'; expected 'VD' or 'VS'"),
        ([{"visual_input": "3"}], r"a.json:1: field 'visual_input' is 3; expected a number from 0 to 2"),
        ([{"gt_answer": "-"}], r"a.json:1: field 'gt_answer' is missing"),
        ([{"set_id": "-"}], r"a.json:1: field 'set_id' is missing"),
        ([{"model_prediction": "-"}], r"a.json:1: field 'model_prediction' is missing"),
    ],
)
def test_bad_answers(tmp_path: Path, changes: list[dict[str, Any]], message: str) -> None:
    path = write(tmp_path / "a.json", *({"model_prediction": "yes"} | change for change in changes))
    with pytest.raises(DataError, match=message):
        score_hallusionbench(path)


def test_unknown_question_and_verdict(tmp_path: Path) -> None:
    questions = write(tmp_path / "q.json", {})
    answers = write(tmp_path / "a.json", {"figure_id": "7", "verdict": "5"})
    with pytest.raises(DataError, match=r"a.json:1: question VD_math_0_7_0 is not in .*q.json"):
        score_hallusionbench(answers, questions=questions)
    with pytest.raises(DataError, match=r"a.json:1: field 'verdict' is 5; expected a number from 0 to 2"):
        score_hallusionbench(answers, correctness_key="verdict")


def test_official_files(real_data: Path) -> None:
    questions = read_hallusionbench_questions(real_data / "hallusionbench/HallusionBench.json")
    assert len(questions) == 1129
    assert sum(question.image is None for question in questions) == 178
    score = hallusionbench_score((question.item, 1) for question in questions)
    assert (score.overall.n_figures, score.overall.n_groups) == (346, 455)
    assert (score.visual_dependent.n_questions, score.visual_supplement.n_questions) == (591, 538)
    assert score.overall.q_acc == 100
    sample = score_hallusionbench(
        real_data / "hallusionbench/HallusionBench_result_sample.json",
        questions=real_data / "hallusionbench/HallusionBench.json",
    )
    assert sample.overall.n_questions == 254
