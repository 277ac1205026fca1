"""HallusionBench's files: questions, and a model's answers with or without a judge's verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scr_lens.errors import DataError
from scr_lens.json_records import Record, read_records
from scr_lens.metrics.hallusionbench import (
    RIGHT,
    UNCLEAR,
    WRONG,
    Correctness,
    HallusionItem,
    HallusionScore,
    hallusionbench_score,
    parse_correctness,
)

_KEY: Final = ("category", "subcategory", "set_id", "figure_id", "question_id")
_CORRECTNESS: Final[dict[int, Correctness]] = {0: WRONG, 1: RIGHT, 2: UNCLEAR}


@dataclass(frozen=True, slots=True, kw_only=True)
class HallusionQuestion:
    """A question to ask: what identifies it, its text, and its image file or None."""

    item: HallusionItem
    question: str
    image: str | None
    details: str


def read_hallusionbench_questions(path: str | Path) -> tuple[HallusionQuestion, ...]:
    """Read the questions.

    Args:
        path: `HallusionBench.json`.

    Returns:
        The questions in file order (1,129 in the official file, 178 of them without image).

    Raises:
        DataError: Naming file and line, when a record is malformed or a question is there twice.
    """
    records = _by_key(read_records(path))
    return tuple(
        HallusionQuestion(
            item=_item(record, {}),
            question=record.text("question"),
            image=None if record.fields.get("filename") is None else record.text("filename"),
            details=str(record.fields.get("gt_answer_details", "")),
        )
        for record in records.values()
    )


def score_hallusionbench(
    answers: str | Path,
    *,
    questions: str | Path | None = None,
    correctness_key: str | None = None,
    prediction_key: str = "model_prediction",
) -> HallusionScore:
    """Score a file of answers.

    Args:
        answers: JSON array or JSON lines in the official result format: the fields of the questions and the
            answer.
        questions: `HallusionBench.json`; needed when the answers lack `gt_answer`. When given, every answer
            must belong to one of its questions.
        correctness_key: Field with a judge's verdict: 0 wrong, 1 right, 2 unclear. Without it the answers are
            read as yes or no, and those that are neither count as unclear: that is not the official protocol.
        prediction_key: Field with the model's answer.

    Returns:
        The scores over the questions that were answered.

    Raises:
        DataError: Naming file and line, when a record is malformed, a question is answered twice or is
            unknown.
    """
    records = _by_key(read_records(answers))
    labels = _labels(questions) if questions is not None else {}
    judged: list[tuple[HallusionItem, Correctness]] = []
    for key, record in records.items():
        if questions is not None and key not in labels:
            raise DataError(
                f"{record.place}: question {'_'.join(key)} is not in {questions}; give the file it is from"
            )
        item = _item(record, labels)
        if correctness_key is None:
            judged.append((item, parse_correctness(record.text(prediction_key), item.label)))
        else:
            judged.append((item, _verdict(record, correctness_key)))
    return hallusionbench_score(judged, "parser" if correctness_key is None else "field")


def _by_key(records: tuple[Record, ...]) -> dict[tuple[str, ...], Record]:
    found: dict[tuple[str, ...], Record] = {}
    for record in records:
        key = tuple(_identifier(record, name) for name in _KEY)
        if key in found:
            raise DataError(
                f"{record.place}: question {'_'.join(key)} is already at line {found[key].line}; keep one"
            )
        found[key] = record
    return found


def _labels(questions: str | Path) -> dict[tuple[str, ...], bool]:
    return {question.item.key: question.item.label for question in read_hallusionbench_questions(questions)}


def _item(record: Record, labels: Mapping[tuple[str, ...], bool]) -> HallusionItem:
    category = record.choice("category", ("VD", "VS"))
    key = tuple(_identifier(record, name) for name in _KEY)
    return HallusionItem(
        category="VD" if category == "VD" else "VS",
        subcategory=key[1],
        set_id=key[2],
        figure_id=key[3],
        question_id=key[4],
        visual_input=_one_of(record, "visual_input", 2),
        label=labels[key] if key in labels else bool(_one_of(record, "gt_answer", 1)),
    )


def _identifier(record: Record, name: str) -> str:
    value = record.fields.get(name)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else record.text(name)


def _verdict(record: Record, key: str) -> Correctness:
    return _CORRECTNESS[_one_of(record, key, UNCLEAR)]


def _one_of(record: Record, key: str, largest: int) -> int:
    value = record.integer(key)
    if not 0 <= value <= largest:
        raise DataError(f"{record.place}: field {key!r} is {value}; expected a number from 0 to {largest}")
    return value
