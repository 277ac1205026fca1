"""HallusionBench: answers that must hold for all questions of a figure and all figures of a question."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from scr_lens.errors import DataError
from scr_lens.metrics.answers import parse_answer

Correctness = Literal[0, 1, 2]
Judge = Literal["field", "parser"]

WRONG: Final = 0
RIGHT: Final = 1
UNCLEAR: Final = 2
_EDITED: Final = 2
_CODES: Final = {"0": "no", "1": "yes", "2": "unparsed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HallusionItem:
    """One question.

    Attributes:
        category: "VD" (the image is needed) or "VS" (the image adds to what can be known).
        subcategory: Such as "chart" or "illusion".
        set_id: Set of figures; unique only inside category and subcategory, like the next two.
        figure_id: Figure of the set; "0" is the original, and for VS stands for no figure.
        question_id: Question of the set.
        visual_input: 0 no image, 1 original image, 2 edited image.
        label: Whether the right answer is yes.
    """

    category: Literal["VD", "VS"]
    subcategory: str
    set_id: str
    figure_id: str
    question_id: str
    visual_input: int
    label: bool

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What makes the question unique in the benchmark."""
        return (self.category, self.subcategory, self.set_id, self.figure_id, self.question_id)

    @property
    def figure(self) -> tuple[str, str, str, str]:
        """The figure that the question is about."""
        return (self.category, self.subcategory, self.set_id, self.figure_id)

    @property
    def group(self) -> tuple[str, str, str, str]:
        """The question that is asked about several figures."""
        return (self.category, self.subcategory, self.set_id, self.question_id)

    @property
    def has_no_figure(self) -> bool:
        """Whether the question is asked without an image; admitting not to know is then right."""
        return self.category == "VS" and self.figure_id == "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class HallusionPart:
    """Scores of a set of questions, in percent with four decimals as the official script prints them.

    A score without anything to count is None.

    Attributes:
        n_questions: Questions.
        n_figures: Figures, the missing figure of VS left out.
        n_groups: Questions that are asked about several figures.
        a_acc: Questions answered right; 100 = all.
        f_acc: Figures with all questions right; 100 = all.
        q_acc: Groups right on every figure; 100 = all.
        easy: Like q_acc, over questions without image or about an original image.
        hard: Like q_acc, over questions about an edited image.
        inconsistent: Figures with some questions right and some wrong.
    """

    n_questions: int
    n_figures: int
    n_groups: int
    a_acc: float | None
    f_acc: float | None
    q_acc: float | None
    easy: float | None
    hard: float | None
    inconsistent: float | None


@dataclass(frozen=True, kw_only=True)
class HallusionScore:
    """Scores of a set of answers.

    Attributes:
        judge: "field": correctness was given with the answers; "parser": answers were read as yes or no,
            which is not the official protocol (a language model judges there).
        overall: All questions.
        visual_dependent: Questions of category VD.
        visual_supplement: Questions of category VS.
        n_unclear: Answers judged unclear.
        yes_bias: Share of yes among the answers minus share of yes among the right ones; in [-1, 1].
        false_yes_share: Share of the wrong answers that say yes where no is right; None without wrong
            answers.

    Source: https://arxiv.org/abs/2310.14566; github.com/tianyi-lab/HallusionBench, utils.py.
    """

    judge: Judge
    overall: HallusionPart
    visual_dependent: HallusionPart
    visual_supplement: HallusionPart
    n_unclear: int
    yes_bias: float
    false_yes_share: float | None

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as plain values, ready for JSON."""
        return asdict(self)


def parse_correctness(answer: str, label: bool) -> Correctness:
    """Judge an answer without a language model.

    Args:
        answer: The answer as the model wrote it, or "0", "1" or "2" for no, yes and uncertain.
        label: Whether yes is right.

    Returns:
        0 wrong, 1 right, 2 when the answer has neither the word yes nor no, or both.
    """
    said = _CODES.get(answer.strip()) or parse_answer(answer, "strict")
    if said == "unparsed":
        return UNCLEAR
    return RIGHT if (said == "yes") == label else WRONG


def hallusionbench_score(
    judged: Iterable[tuple[HallusionItem, Correctness]], judge: Judge = "field"
) -> HallusionScore:
    """Score judged answers.

    An unclear answer counts as right only where no image was shown.

    Args:
        judged: Each question with the correctness of its answer: 0 wrong, 1 right, 2 unclear.
        judge: Who judged, to be stated beside the score.

    Returns:
        The scores.

    Raises:
        DataError: When there is no answer, a question is there twice, or a correctness is not 0, 1 or 2.
    """
    judged = list(judged)
    _check(judged)
    right = [(item, code == RIGHT or (code == UNCLEAR and item.has_no_figure)) for item, code in judged]
    wrong = [item.label for item, correct in right if not correct]
    said_yes = sum(correct == item.label for item, correct in right)
    return HallusionScore(
        judge=judge,
        overall=_part(right),
        visual_dependent=_part([pair for pair in right if pair[0].category == "VD"]),
        visual_supplement=_part([pair for pair in right if pair[0].category == "VS"]),
        n_unclear=sum(code == UNCLEAR for _, code in judged),
        yes_bias=(said_yes - sum(item.label for item, _ in right)) / len(right),
        false_yes_share=wrong.count(False) / len(wrong) if wrong else None,
    )


def _check(judged: Sequence[tuple[HallusionItem, Correctness]]) -> None:
    if not judged:
        raise DataError("there is no answer to score; give at least one")
    seen: set[Hashable] = set()
    for item, code in judged:
        if code not in (WRONG, RIGHT, UNCLEAR):
            raise DataError(
                f"correctness of {'_'.join(item.key)} is {code!r}; expected 0 wrong, 1 right or 2 unclear"
            )
        if item.key in seen:
            raise DataError(f"question {'_'.join(item.key)} is answered twice; keep one answer")
        seen.add(item.key)


def _part(right: Sequence[tuple[HallusionItem, bool]]) -> HallusionPart:
    figures = _grouped([pair for pair in right if not pair[0].has_no_figure], lambda item: item.figure)
    groups = _grouped(right, lambda item: item.group)
    easy = _grouped([pair for pair in right if pair[0].visual_input != _EDITED], lambda item: item.group)
    hard = _grouped([pair for pair in right if pair[0].visual_input == _EDITED], lambda item: item.group)
    return HallusionPart(
        n_questions=len(right),
        n_figures=len(figures),
        n_groups=len(groups),
        a_acc=_percent(correct for _, correct in right),
        f_acc=_percent(map(all, figures)),
        q_acc=_percent(map(all, groups)),
        easy=_percent(map(all, easy)),
        hard=_percent(map(all, hard)),
        inconsistent=_percent(any(answers) and not all(answers) for answers in figures),
    )


def _grouped(
    right: Sequence[tuple[HallusionItem, bool]], key: Callable[[HallusionItem], Hashable]
) -> list[list[bool]]:
    groups: dict[Hashable, list[bool]] = defaultdict(list)
    for item, correct in right:
        groups[key(item)].append(correct)
    return list(groups.values())


def _percent(values: Iterable[bool]) -> float | None:
    counted = list(values)
    return round(100 * sum(counted) / len(counted), 4) if counted else None
