import json
from pathlib import Path

import pytest

from scr_lens.benchmarks.mme_reader import read_mme_answers, read_mme_questions, score_mme
from scr_lens.errors import DataError

LINES = ["1.jpg\tA?\tYes\tyes, a", "1.jpg\tB?\tNo\tYes", "2.jpg\tA?\tYes\tno", "2.jpg\tB?\tNo\tno"]


def folder_of(tmp_path: Path, lines: list[str], name: str = "answers") -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "count.txt").write_text("\n".join(lines) + "\n")
    return folder


def questions_of(tmp_path: Path) -> Path:
    return folder_of(tmp_path, [line.rpartition("\t")[0] for line in LINES], "questions")


def test_reading_and_scoring(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, LINES)
    answers = read_mme_answers(folder)
    assert [answer.answer for answer in answers["count"]] == ["yes, a", "Yes", "no", "no"]
    score = score_mme(folder, questions=questions_of(tmp_path))
    assert score.tasks["count"].score == 50.0
    questions = read_mme_questions(tmp_path / "questions")["count"]
    assert [(question.image, question.label) for question in questions[:2]] == [
        ("1.jpg", "yes"),
        ("1.jpg", "no"),
    ]
    assert questions[2].place.endswith("count.txt:3")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1.jpg\tA?\tYes"], r"count.txt:1: line has 3 fields; expected 4 separated by tabs"),
        ([LINES[0], "1.jpg\tB?\tMaybe\tno"], r"count.txt:2: right answer is 'Maybe'; expected Yes or No"),
        (
            [LINES[0], LINES[2], LINES[1], LINES[3]],
            r"count.txt:2: is about '2.jpg', the one before about '1.jpg'",
        ),
        (LINES[:3], r"count.txt:3: file has 3 lines; expected two per image"),
        ([LINES[0], LINES[0]], r"count.txt:2: repeats the question of the line before"),
        ([*LINES[:3], "2.jpg\tB?\tNo\tno\tmore"], r"count.txt:4: line has 5 fields"),
        ([*LINES[:3], ""], r"count.txt:4: line has 1 fields"),
    ],
)
def test_bad_files(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_mme_answers(folder_of(tmp_path, lines))


def test_no_task_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no task file of MME; expected files such as existence.txt"):
        read_mme_answers(tmp_path)


def test_answers_to_other_questions(tmp_path: Path) -> None:
    questions = questions_of(tmp_path)
    unknown = folder_of(tmp_path, [*LINES[:2], "9.jpg\tA?\tYes\tno", "9.jpg\tB?\tNo\tno"], "unknown")
    with pytest.raises(DataError, match=r"count.txt:3: question 'A\?' about '9.jpg' is not in the benchmark"):
        score_mme(unknown, questions=questions)
    flipped = folder_of(tmp_path, ["1.jpg\tA?\tNo\tno", *LINES[1:]], "flipped")
    with pytest.raises(DataError, match=r"count.txt:1: .* has the right answer 'yes' there"):
        score_mme(flipped, questions=questions)
    with pytest.raises(DataError, match="holds 2 answers to 4 questions"):
        score_mme(folder_of(tmp_path, LINES[:2], "short"), questions=questions)


def test_scores_of_the_official_tool(real_data: Path) -> None:
    score = score_mme(real_data / "mme/answers_LaVIN", questions=real_data / "mme/questions_no_response")
    expected = json.loads((real_data / "reference/mme_reference.json").read_text())["answers_LaVIN"]
    assert score.perception == expected["Perception"].pop("total")
    assert score.cognition == expected["Cognition"].pop("total")
    scores = {task: part.score for task, part in score.tasks.items()}
    assert scores == expected["Perception"] | expected["Cognition"]
    questions = read_mme_questions(real_data / "mme/questions_no_response")
    assert sum(map(len, questions.values())) == 2374
