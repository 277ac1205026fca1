"""MME: yes/no questions in pairs, scored per question and per pair."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, get_args

from scr_lens.errors import ConfigError, DataError, unknown_name
from scr_lens.metrics.answers import parse_answer

MmeRule = Literal["official", "strict"]

PERCEPTION: Final = (
    *(
        "existence",
        "count",
        "position",
        "color",
        "posters",
        "celebrity",
        "scene",
        "landmark",
        "artwork",
        "OCR",
    ),
)
COGNITION: Final = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
HALLUCINATION: Final = ("existence", "count", "position", "color")
TASKS: Final = PERCEPTION + COGNITION
_PREFIX: Final = 4  # letters of the answer that the official script looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class MmeAnswer:
    """An answer to one question; two questions that follow each other belong to one image.

    Attributes:
        image: Name of the image file.
        question: The question.
        label: The right answer.
        answer: The answer as the model wrote it.
    """

    image: str
    question: str
    label: Literal["yes", "no"]
    answer: str


@dataclass(frozen=True, kw_only=True)
class MmeTaskScore:
    """Scores of one task.

    Attributes:
        n: Questions, two per image.
        n_other: Answers read as neither yes nor no; they are wrong.
        accuracy: Right answers in percent; 100 = all.
        accuracy_plus: Images with both answers right in percent; 100 = all.
        score: accuracy + accuracy_plus; 200 = all right, 50 = always yes.
    """

    n: int
    n_other: int
    accuracy: float
    accuracy_plus: float
    score: float


@dataclass(frozen=True, kw_only=True)
class MmeScore:
    """Scores of a set of tasks; a total of tasks that are not all there is None.

    Attributes:
        rule: How answers were read.
        tasks: Scores of each task.
        perception: Sum over the ten tasks of perception; at most 2000.
        cognition: Sum over the four tasks of cognition; at most 800.
        hallucination: Sum over existence, count, position and color; at most 800.
        missing: Tasks without answers.

    Source: https://arxiv.org/abs/2306.13394, eval_tool of the Awesome-Multimodal-Large-Language-Models
    repository.
    """

    rule: MmeRule
    tasks: Mapping[str, MmeTaskScore]
    perception: float | None
    cognition: float | None
    hallucination: float | None
    missing: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as plain values, ready for JSON."""
        return asdict(replace(self, tasks=dict(self.tasks)))


def read_answer(text: str, rule: MmeRule) -> Literal["yes", "no", "other"]:
    """Decide what an answer says.

    Args:
        text: The answer as the model wrote it.
        rule: "official": look for "yes", then for "no", in the first four characters, in any case and without
            removing spaces, so that "There is no dog" is neither and "Nothing" is no; "strict": the word yes
            or no anywhere in the answer and not both.

    Returns:
        "yes", "no", or "other" for an answer that is neither.

    Raises:
        ConfigError: For another rule.
    """
    if rule not in get_args(MmeRule):
        raise ConfigError(unknown_name("rule", rule, get_args(MmeRule)))
    if rule == "strict":
        parsed = parse_answer(text, "strict")
        return "other" if parsed == "unparsed" else parsed
    beginning = text.lower()[:_PREFIX]
    if "yes" in beginning:
        return "yes"
    return "no" if "no" in beginning else "other"


def mme_score(answers: Mapping[str, Sequence[MmeAnswer]], rule: MmeRule = "official") -> MmeScore:
    """Score the answers of one or more tasks.

    Args:
        answers: Answers per task in file order, the two of an image adjacent.
        rule: How an answer is read.

    Returns:
        Scores per task and totals.

    Raises:
        ConfigError: For another rule.
        DataError: When a task is unknown or empty, or its answers are not in pairs of one image.
    """
    tasks = {task: _task_score(task, answers[task], rule) for task in answers}
    return MmeScore(
        rule=rule,
        tasks=tasks,
        perception=_total(tasks, PERCEPTION),
        cognition=_total(tasks, COGNITION),
        hallucination=_total(tasks, HALLUCINATION),
        missing=tuple(task for task in TASKS if task not in tasks),
    )


def _task_score(task: str, answers: Sequence[MmeAnswer], rule: MmeRule) -> MmeTaskScore:
    if task not in TASKS:
        raise DataError(unknown_name("MME task", task, TASKS))
    pairs = _pairs(task, answers)
    read = [read_answer(answer.answer, rule) for answer in answers]
    right = [said == answer.label for said, answer in zip(read, answers, strict=True)]
    both = sum(first and second for first, second in zip(right[::2], right[1::2], strict=True))
    accuracy, accuracy_plus = sum(right) / len(right) * 100, both / pairs * 100
    return MmeTaskScore(
        n=len(answers),
        n_other=read.count("other"),
        accuracy=accuracy,
        accuracy_plus=accuracy_plus,
        score=accuracy + accuracy_plus,
    )


def _pairs(task: str, answers: Sequence[MmeAnswer]) -> int:
    if not answers or len(answers) % 2:
        raise DataError(
            f"task {task!r} has {len(answers)} answers; expected two per image, give both questions"
        )
    for first, second in zip(answers[::2], answers[1::2], strict=True):
        if first.image != second.image:
            raise DataError(
                f"task {task!r}: answers about {first.image!r} and {second.image!r} stand where two of "
                "one image should; a line is missing, repeated or out of order"
            )
    return len(answers) // 2


def _total(tasks: Mapping[str, MmeTaskScore], names: Sequence[str]) -> float | None:
    return sum(tasks[name].score for name in names) if all(name in tasks for name in names) else None
