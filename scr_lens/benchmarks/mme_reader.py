"""MME's files: one text file per task, two lines per image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from scr_lens.errors import DataError
from scr_lens.json_records import read_text
from scr_lens.metrics.mme import TASKS, MmeAnswer, MmeRule, MmeScore, mme_score

_QUESTION_FIELDS: Final = ("image", "question", "right answer")
_ANSWER_FIELDS: Final = (*_QUESTION_FIELDS, "answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class MmeQuestion:
    """One question: its task, image file name, text and right answer; `place` is "file:line"."""

    task: str
    image: str
    question: str
    label: Literal["yes", "no"]
    place: str


def read_mme_questions(folder: str | Path) -> dict[str, tuple[MmeQuestion, ...]]:
    """Read the questions of all tasks in a folder.

    Args:
        folder: Folder with files such as `existence.txt`, each line "image TAB question TAB Yes or No" (a
            fourth field, an answer, is passed over).

    Returns:
        Questions per task, in file order, the two of an image adjacent.

    Raises:
        DataError: Naming file and line, when a line is malformed or its pair is incomplete.
    """
    return {
        task: tuple(question for question, _ in _read_task(path, task, _QUESTION_FIELDS))
        for task, path in _tasks(folder)
    }


def read_mme_answers(folder: str | Path) -> dict[str, tuple[MmeAnswer, ...]]:
    """Read a model's answers to all tasks in a folder.

    Args:
        folder: Folder with files such as `existence.txt`, each line
            "image TAB question TAB Yes or No TAB answer", as the official tool wants them.

    Returns:
        Answers per task, in file order, the two of an image adjacent.

    Raises:
        DataError: Naming file and line, when a line is malformed or its pair is incomplete.
    """
    return {
        task: tuple(
            MmeAnswer(image=question.image, question=question.question, label=question.label, answer=answer)
            for question, answer in _read_task(path, task, _ANSWER_FIELDS)
        )
        for task, path in _tasks(folder)
    }


def score_mme(
    answers: str | Path, *, questions: str | Path | None = None, rule: MmeRule = "official"
) -> MmeScore:
    """Score a folder of answers.

    Args:
        answers: Folder with one file per task, see `read_mme_answers`.
        questions: Folder with the benchmark's questions; when given, the answered questions and their right
            answers must be the benchmark's.
        rule: How an answer is read: "official" or "strict".

    Returns:
        Scores per task and totals.

    Raises:
        DataError: When a file is unusable, or does not hold the benchmark's questions.
        ConfigError: For another rule.
    """
    answered = read_mme_answers(answers)
    if questions is not None:
        _check_questions(answers, answered, read_mme_questions(questions))
    return mme_score(answered, rule)


def _tasks(folder: str | Path) -> list[tuple[str, Path]]:
    folder = Path(folder)
    present = [(task, folder / f"{task}.txt") for task in TASKS if (folder / f"{task}.txt").is_file()]
    if not present:
        raise DataError(f"{folder} holds no task file of MME; expected files such as {TASKS[0]}.txt in it")
    return present


def _read_task(path: Path, task: str, fields: tuple[str, ...]) -> list[tuple[MmeQuestion, str]]:
    lines = read_text(path).removesuffix("\n").split("\n")
    read = [_read_line(f"{path}:{number}", task, line, fields) for number, line in enumerate(lines, start=1)]
    for first, second in zip(read[::2], read[1::2], strict=False):
        if first[0].image != second[0].image:
            raise DataError(
                f"{second[0].place}: is about {second[0].image!r}, the one before about {first[0].image!r}; "
                "two lines per image must follow each other, one is missing, repeated or out of order"
            )
        if first[0].question == second[0].question:
            raise DataError(
                f"{second[0].place}: repeats the question of the line before; give the image's other one"
            )
    if len(read) % 2:
        raise DataError(
            f"{path}:{len(read)}: file has {len(read)} lines; expected two per image, the file is cut short"
        )
    return read


def _read_line(place: str, task: str, line: str, fields: tuple[str, ...]) -> tuple[MmeQuestion, str]:
    parts = line.removesuffix("\r").split("\t")
    if len(parts) not in (len(fields), len(_ANSWER_FIELDS)):
        raise DataError(
            f"{place}: line has {len(parts)} fields; expected {len(fields)} separated by tabs: "
            f"{', '.join(fields)} (an answer must not contain tabs or line breaks)"
        )
    image, question, label = parts[:3]
    if label.lower() not in ("yes", "no"):
        raise DataError(f"{place}: right answer is {label!r}; expected Yes or No, correct the line")
    record = MmeQuestion(
        task=task,
        image=image,
        question=question,
        label="yes" if label.lower() == "yes" else "no",
        place=place,
    )
    return record, parts[3] if len(parts) > len(_QUESTION_FIELDS) else ""


def _check_questions(
    folder: str | Path,
    answered: dict[str, tuple[MmeAnswer, ...]],
    questions: dict[str, tuple[MmeQuestion, ...]],
) -> None:
    for task, answers in answered.items():
        asked = {(question.image, question.question): question.label for question in questions.get(task, ())}
        path = Path(folder) / f"{task}.txt"
        for number, answer in enumerate(answers, start=1):
            label = asked.get((answer.image, answer.question))
            if label != answer.label:
                reason = (
                    "is not in the benchmark" if label is None else f"has the right answer {label!r} there"
                )
                raise DataError(
                    f"{path}:{number}: question {answer.question[:60]!r} about {answer.image!r} {reason}"
                )
        if len(answers) != len(asked):
            raise DataError(
                f"{path}: holds {len(answers)} answers to {len(asked)} questions; answer each once"
            )
