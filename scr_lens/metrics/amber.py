"""AMBER: hallucination in descriptions (CHAIR, Cover, Hal, Cog) and in yes/no answers (accuracy, F1)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, get_args

from scr_lens.errors import ConfigError, DataError, unknown_name
from scr_lens.metrics.answers import parse_answer
from scr_lens.metrics.noun import find_nouns

AmberDimension = Literal["existence", "state", "number", "action", "relation"]
AmberRule = Literal["official", "strict"]
Similarity = Callable[[str, str], bool]
NounFinder = Callable[[str], Sequence[str]]

ATTRIBUTES: Final = ("state", "number", "action")
_TINY: Final = 0.001  # the official script starts every denominator here
_F1_GUARD: Final = 0.0001
_EXISTENCE_F1_GUARD: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class AmberDescription:
    """What is in an image: objects that are there, and objects that models tend to imagine there."""

    id: int
    truth: tuple[str, ...]
    imagined: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AmberQuestion:
    """A yes/no question's dimension and its right answer."""

    id: int
    dimension: AmberDimension
    truth: Literal["yes", "no"]


AmberAnnotation = AmberDescription | AmberQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class AmberWords:
    """Word lists of the benchmark.

    Attributes:
        relations: For each object, other words that stand for it; keys and values are the words looked for.
        safe: Words that are never counted as hallucinated.
    """

    relations: Mapping[str, tuple[str, ...]]
    safe: frozenset[str]

    @property
    def known(self) -> frozenset[str]:
        """All words that are looked for in a description."""
        return frozenset(self.relations).union(*self.relations.values())


@dataclass(frozen=True, kw_only=True)
class AmberGenerative:
    """Scores of descriptions, in percent rounded to one decimal as the official script prints them.

    Attributes:
        n: Descriptions.
        n_nouns: Nouns counted, safe words included.
        chair: Hallucinated nouns among the nouns; 0 = none, 100 = all.
        cover: Objects of the images that are mentioned; 100 = all.
        hal: Descriptions with a hallucinated noun; 0 = none, 100 = all.
        cog: Objects that models tend to imagine and that are mentioned; 0 = none, 100 = all.
    """

    n: int
    n_nouns: int
    chair: float
    cover: float
    hal: float
    cog: float


@dataclass(frozen=True, kw_only=True)
class AmberDiscriminative:
    """Scores of yes/no answers, in percent rounded to one decimal; "no" is the positive class.

    Attributes:
        n: Answers.
        n_other: Answers that are neither Yes nor No by the rule; they are wrong.
        accuracy: Right answers; 100 = all.
        precision: Right among the answers No; 100 = no object that is there is denied.
        recall: Answers No among the questions whose answer is no; 100 = nothing absent is confirmed.
        f1: Harmonic mean of the rounded precision and recall, with the script's guard in the denominator.
    """

    n: int
    n_other: int
    accuracy: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, kw_only=True)
class AmberScore:
    """Scores of a file of responses; a part that the file has no response for is None or absent.

    Attributes:
        rule: How yes/no answers were read.
        generative: Scores of the descriptions.
        discriminative: Scores of all yes/no answers.
        dimensions: Scores of "existence", "attribute", "state", "number", "action" and "relation".
        amber: (100 - CHAIR + F1) / 2; 100 = no hallucination in either task.

    Source: https://arxiv.org/abs/2311.07397; github.com/junyangwang0410/AMBER, inference.py.
    """

    rule: AmberRule
    generative: AmberGenerative | None
    discriminative: AmberDiscriminative | None
    dimensions: Mapping[str, AmberDiscriminative]
    amber: float | None

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as plain values, ready for JSON."""
        return asdict(replace(self, dimensions=dict(self.dimensions)))


def amber_score(
    responses: Mapping[int, str],
    annotations: Mapping[int, AmberAnnotation],
    lists: AmberWords,
    *,
    rule: AmberRule = "official",
    similar: Similarity = str.__eq__,
    nouns: NounFinder | None = None,
) -> AmberScore:
    """Score responses to AMBER's queries.

    Args:
        responses: Response per query id; any part of the benchmark.
        annotations: Annotations per query id.
        lists: The benchmark's words.
        rule: "official": only "Yes" and "No", spelled exactly so, are answers; "strict": the word yes or no,
            in any case, anywhere in the answer and not both.
        similar: Whether two words mean the same. The official script asks whether the cosine of spaCy's
            en_core_web_lg vectors exceeds 0.8; equality gives the same scores on published answers.
        nouns: Nouns of a description in their base form, in place of the built-in rules: for those who have
            the tagger of the official script.

    Returns:
        The scores of the parts that have responses.

    Raises:
        ConfigError: For another rule.
        DataError: When a response has no annotation, or there is no response.
    """
    if rule not in get_args(AmberRule):
        raise ConfigError(unknown_name("rule", rule, get_args(AmberRule)))
    if not responses:
        raise DataError("there is no response to score; give at least one")
    known = lists.known
    finder: NounFinder = nouns or (lambda text: find_nouns(text, known))
    described: list[_Description] = []
    answered: list[_Answer] = []
    for query, response in responses.items():
        annotation = _annotation_of(query, annotations)
        if isinstance(annotation, AmberQuestion):
            answered.append(_Answer(annotation.dimension, annotation.truth, _answer(response, rule)))
        else:
            found = [noun for noun in finder(response) if noun in known]
            described.append(_describe(found, annotation, lists, similar))
    return _summary(rule, described, answered)


@dataclass(frozen=True, slots=True)
class _Description:
    """Counts of one description."""

    n_nouns: int
    n_hallucinated: int
    n_truth: int
    n_covered: int
    n_imagined: int
    n_hit: int


@dataclass(frozen=True, slots=True)
class _Answer:
    dimension: AmberDimension
    truth: str
    answer: str


class _WordSearch:
    """Words and their related words, searched in the official order: all related words come first."""

    def __init__(self, targets: Sequence[str], relations: Mapping[str, tuple[str, ...]]) -> None:
        related = [
            (word, index) for index, target in enumerate(targets) for word in relations.get(target, ())
        ]
        self._places = related + [(target, index) for index, target in enumerate(targets)]
        self.found: set[int] = set()

    def mark(self, noun: str, same: Similarity) -> bool:
        """Mark the first target that the noun, or a word related to the target, is the same as."""
        index = next((place for word, place in self._places if same(noun, word)), None)
        if index is not None:
            self.found.add(index)
        return index is not None


def _annotation_of(query: int, annotations: Mapping[int, AmberAnnotation]) -> AmberAnnotation:
    if query not in annotations:
        raise DataError(
            f"response to query {query} has no annotation; give the annotations that belong to the queries"
        )
    return annotations[query]


def _answer(response: str, rule: AmberRule) -> str:
    if rule == "strict":
        return parse_answer(response, "strict")
    return {"Yes": "yes", "No": "no"}.get(response, "unparsed")


def _describe(
    nouns: Sequence[str], annotation: AmberDescription, lists: AmberWords, similar: Similarity
) -> _Description:
    truth = _WordSearch(annotation.truth, lists.relations)
    imagined = _WordSearch(annotation.imagined, lists.relations)
    hallucinated = 0
    for noun in nouns:
        if noun in lists.safe or truth.mark(noun, str.__eq__):
            continue
        imagined.mark(noun, str.__eq__)
        imagined.mark(noun, similar)
        hallucinated += not truth.mark(noun, similar)
    return _Description(
        n_nouns=len(nouns),
        n_hallucinated=hallucinated,
        n_truth=len(annotation.truth),
        n_covered=len(truth.found),
        n_imagined=len(annotation.imagined),
        n_hit=len(imagined.found),
    )


def _summary(rule: AmberRule, described: Sequence[_Description], answered: Sequence[_Answer]) -> AmberScore:
    generative = _generative(described) if described else None
    overall = _discriminative(answered, _F1_GUARD) if answered else None
    groups: dict[str, tuple[str, ...]] = {
        "existence": ("existence",), "attribute": ATTRIBUTES, "state": ("state",), "number": ("number",),
        "action": ("action",), "relation": ("relation",),
    }  # fmt: skip
    dimensions = {
        name: _discriminative(answers, _EXISTENCE_F1_GUARD if name == "existence" else _F1_GUARD)
        for name, members in groups.items()
        if (answers := [answer for answer in answered if answer.dimension in members])
    }
    amber = (100 - generative.chair + overall.f1) / 2 if generative and overall else None
    return AmberScore(
        rule=rule, generative=generative, discriminative=overall, dimensions=dimensions, amber=amber
    )


def _generative(described: Sequence[_Description]) -> AmberGenerative:
    n_nouns = sum(one.n_nouns for one in described)
    clean = sum(one.n_hallucinated == 0 for one in described)
    return AmberGenerative(
        n=len(described),
        n_nouns=n_nouns,
        chair=_percent(sum(one.n_hallucinated for one in described), n_nouns),
        cover=_percent(sum(one.n_covered for one in described), sum(one.n_truth for one in described)),
        hal=round(100 - clean / (len(described) + _TINY) * 100, 1),
        cog=_percent(sum(one.n_hit for one in described), sum(one.n_imagined for one in described)),
    )


def _discriminative(answers: Iterable[_Answer], guard: float) -> AmberDiscriminative:
    answers = list(answers)
    said_no = [answer for answer in answers if answer.answer == "no"]
    right_no = sum(answer.truth == "no" for answer in said_no)
    precision = _percent(right_no, len(said_no))
    recall = _percent(right_no, sum(answer.truth == "no" for answer in answers))
    product = 2 * (precision / 100) * (recall / 100)
    return AmberDiscriminative(
        n=len(answers),
        n_other=sum(answer.answer == "unparsed" for answer in answers),
        accuracy=_percent(sum(answer.answer == answer.truth for answer in answers), len(answers)),
        precision=precision,
        recall=recall,
        f1=round(product / (precision / 100 + recall / 100 + guard) * 100, 1),
    )


def _percent(part: int, whole: int) -> float:
    return round(part / (whole + _TINY) * 100, 1)
