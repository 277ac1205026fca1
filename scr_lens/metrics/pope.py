"""POPE scores: how often a model says yes to objects that are, and are not, in an image."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scr_lens.errors import DataError
from scr_lens.json_records import Record, read_records
from scr_lens.metrics.answers import ParsedAnswer, ParseRule, parse_answer

_LABELS = ("yes", "no")
_PREDICTIONS = ("yes", "no", "unparsed", "other")


@dataclass(frozen=True, kw_only=True)
class PopeMetrics:
    """Scores of one set of yes/no answers; "yes" is the positive class.

    A ratio whose denominator is zero is None. An unparsed answer is in no cell of the confusion table, but
    its question stays in every denominator over questions: it is an error in `accuracy`, a missed object in
    `recall`, and never a hallucination. POPE's own script reads every answer as yes or no, so that fp + tn is
    the number of absent objects; dividing by that number keeps this meaning for stricter rules. Leaving the
    unparsed out instead would let a method lower its rate by answering less, and would compare two methods
    over different questions. `analysis.hallucination` counts the same way.

    Attributes:
        n: Questions, the unparsed included; n = tp + fp + tn + fn + n_unparsed.
        tp: Answered yes, object present.
        fp: Answered yes, object absent: the hallucinations.
        tn: Answered no, object absent.
        fn: Answered no, object present.
        n_unparsed: Answers that said neither yes nor no.
        accuracy: (tp + tn) / n; 1 = every answer right.
        precision: tp / (tp + fp); 1 = no yes is a hallucination.
        recall: tp / present objects (tp + fn without unparsed answers); 1 = every present object confirmed.
        f1: Harmonic mean of precision and recall; 0 when nothing present is confirmed.
        yes_ratio: (tp + fp) / n; 1 = always yes, 0 = never yes.
        hallucination_rate: fp / absent objects (fp + tn without unparsed answers); 0 = no absent object
            confirmed, 1 = all of them.

    Source: POPE, https://arxiv.org/abs/2305.10355; the hallucination rate is the SCR paper's HR.
    """

    n: int
    tp: int
    fp: int
    tn: int
    fn: int
    n_unparsed: int
    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    yes_ratio: float | None
    hallucination_rate: float | None


def pope_metrics(labels: Iterable[str], predictions: Iterable[str]) -> PopeMetrics:
    """Score predictions against labels.

    Args:
        labels: "yes" (object present) or "no", one per question; a list, an array or a series.
        predictions: "yes", "no", or "unparsed" (also written "other"), in the same order.

    Returns:
        The scores; ratios in [0, 1].

    Raises:
        DataError: If the lengths differ or a value is none of these.
    """
    truth = _checked("label", labels, _LABELS)
    answers = _checked("prediction", predictions, _PREDICTIONS)
    _check_lengths("labels", len(truth), "predictions", len(answers))
    pairs = Counter(zip(truth, answers, strict=True))
    return _from_counts(
        tp=pairs["yes", "yes"],
        fp=pairs["no", "yes"],
        tn=pairs["no", "no"],
        fn=pairs["yes", "no"],
        n_present=truth.count("yes"),
        n_absent=truth.count("no"),
    )


def pope_metrics_from_probabilities(
    labels: Iterable[str],
    p_yes: Iterable[float],
    p_no: Iterable[float] | None = None,
    *,
    threshold: float = 0.5,
) -> PopeMetrics:
    """Score the probabilities of the first answer token instead of the answer's text.

    yes when p_yes > threshold, or when p_yes > p_no if `p_no` is given; otherwise no.

    Args:
        labels: "yes" or "no", one per question.
        p_yes: Probability of yes, in [0, 1]; NaN (a failed question) counts as unparsed.
        p_no: Probability of no in the same order, or None to compare with the threshold.
        threshold: Probability above which the answer is yes; unused when `p_no` is given.

    Returns:
        The scores. This is another protocol than scoring texts: say which one was used.

    Raises:
        DataError: If lengths differ, or a probability is outside [0, 1].
    """
    yes = _probabilities("p_yes", p_yes)
    against = [threshold] * len(yes) if p_no is None else _probabilities("p_no", p_no)
    _check_lengths("p_yes", len(yes), "p_no", len(against))
    return pope_metrics(labels, [_compare(a, b) for a, b in zip(yes, against, strict=True)])


def score_answers(labels: Iterable[str], texts: Iterable[str], rule: ParseRule = "official") -> PopeMetrics:
    """Score free-text answers.

    Args:
        labels: "yes" or "no", one per question.
        texts: The answers as written, in the same order.
        rule: How a text is read; see `parse_answer`.

    Returns:
        The scores; the official rule leaves nothing unparsed.

    Raises:
        DataError: If lengths differ or a value is not usable.
        ConfigError: If the rule is unknown.
    """
    return pope_metrics(labels, [parse_answer(text, rule) for text in texts])


def score_files(
    question_file: str | Path, answer_file: str | Path, rule: ParseRule = "official"
) -> PopeMetrics:
    """Score a file of answers against a POPE file, by position as the official script does.

    Args:
        question_file: POPE file with the `label` of each question; JSON lines or a JSON array.
        answer_file: One record per question in the same order; the answer is in `answer` (POPE) or `text`
            (LLaVA).
        rule: How an answer is read; "official" gives the official script's numbers.

    Returns:
        The scores.

    Raises:
        DataError: If a file is unusable, the files differ in length, or an answer repeats another question
            than the one in its place. By `question_id`, too, where both files have it; ids that are all
            greater or smaller by one number are another numbering of the same order.

    Source: https://github.com/AoiDragon/POPE (evaluate.py), which silently truncates to the shorter file.
    """
    questions, answers = read_records(question_file), read_records(answer_file)
    if len(questions) != len(answers):
        raise DataError(
            f"{question_file} has {len(questions)} questions but {answer_file} has {len(answers)} answers; "
            "give the answers to exactly this question file"
        )
    for question, answer in zip(questions, answers, strict=True):
        _check_same_question(question, answer)
    _check_same_numbers(questions, answers)
    labels = [question.choice("label", _LABELS) for question in questions]
    return score_answers(labels, [answer.text("answer", "text") for answer in answers], rule)


def _check_same_question(question: Record, answer: Record) -> None:
    asked = str(question.fields.get("text", "")).replace("imange", "image")
    for key in ("question", "prompt"):
        repeated = str(answer.fields.get(key, "")).replace("imange", "image")
        if asked and "Is there a" in repeated and asked not in repeated:
            raise DataError(
                f"{answer.place}: answers {repeated.splitlines()[0]!r} but {question.place} asks {asked!r}; "
                "give the question file of this split, in the order in which it was asked"
            )


def _check_same_numbers(questions: Sequence[Record], answers: Sequence[Record]) -> None:
    """Refuse ids that say another order; a file numbered on from another one is in order all the same."""
    shift: int | None = None
    for question, answer in zip(questions, answers, strict=True):
        asked, answered = question.fields.get("question_id"), answer.fields.get("question_id")
        if asked is None or answered is None:
            continue
        step = _difference(answered, asked)
        if step is None or shift not in (None, step):
            raise DataError(
                f"{answer.place}: question_id is {answered!r} but {question.place} has {asked!r}; bring the "
                "answers into the order of the questions, or drop the ids where only the numbering differs"
            )
        shift = step


def _difference(answered: object, asked: object) -> int | None:
    """By how much two ids differ; None for other ids that are no whole numbers."""
    texts = str(answered), str(asked)
    if texts[0] == texts[1]:
        return 0
    return int(texts[0]) - int(texts[1]) if all(text.isdecimal() for text in texts) else None


def _from_counts(*, tp: int, fp: int, tn: int, fn: int, n_present: int, n_absent: int) -> PopeMetrics:
    precision, recall, n = _ratio(tp, tp + fp), _ratio(tp, n_present), n_present + n_absent
    return PopeMetrics(
        n=n, tp=tp, fp=fp, tn=tn, fn=fn,
        n_unparsed=n - tp - fp - tn - fn,
        accuracy=_ratio(tp + tn, n),
        precision=precision,
        recall=recall,
        f1=_f1(precision, recall, errors=fp + n_present - tp),
        yes_ratio=_ratio(tp + fp, n),
        hallucination_rate=_ratio(fp, n_absent),
    )  # fmt: skip


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _f1(precision: float | None, recall: float | None, *, errors: int) -> float | None:
    if precision and recall:
        return 2 * precision * recall / (precision + recall)
    return 0.0 if errors else None


def _compare(p_yes: float, against: float) -> ParsedAnswer:
    if math.isnan(p_yes) or math.isnan(against):
        return "unparsed"
    return "yes" if p_yes > against else "no"


def _checked(kind: str, values: Iterable[str], allowed: tuple[str, ...]) -> list[str]:
    found = list(values)
    for index, value in enumerate(found):
        if not isinstance(value, str) or value not in allowed:
            raise DataError(f"{kind} {index} is {value!r}; expected one of: {', '.join(allowed)}")
    return found


def _probabilities(kind: str, values: Iterable[float]) -> list[float]:
    found = [float(value) for value in values]
    for index, value in enumerate(found):
        if not (math.isnan(value) or 0 <= value <= 1 + 1e-6):
            raise DataError(
                f"{kind} {index} is {value!r}; expected a probability in [0, 1], apply softmax first"
            )
    return found


def _check_lengths(first: str, n_first: int, second: str, n_second: int) -> None:
    if n_first != n_second:
        raise DataError(f"{n_first} {first} but {n_second} {second}; give one of each per question")
