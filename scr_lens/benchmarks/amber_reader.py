"""AMBER's files: queries, annotations, word lists and responses."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scr_lens.errors import DataError
from scr_lens.json_records import Record, read_records, read_text
from scr_lens.metrics.amber import (
    AmberAnnotation,
    AmberDescription,
    AmberDimension,
    AmberQuestion,
    AmberRule,
    AmberScore,
    AmberWords,
    NounFinder,
    Similarity,
    amber_score,
)

GENERATIVE: Final = "generative"
DIMENSIONS: Final[dict[str, AmberDimension]] = {
    "discriminative-hallucination": "existence",
    "discriminative-attribute-state": "state",
    "discriminative-attribute-number": "number",
    "discriminative-attribute-action": "action",
    "discriminative-relation": "relation",
    "relation": "relation",
}
ANNOTATIONS_FILE: Final = "annotations.json"
RELATIONS_FILE: Final = "relation.json"
SAFE_WORDS_FILE: Final = "safe_words.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class AmberQuery:
    """What the model is asked: query id, image file name and the text of the query."""

    id: int
    image: str
    query: str


def read_amber_queries(path: str | Path) -> tuple[AmberQuery, ...]:
    """Read the queries.

    Args:
        path: `query_all.json` or another of the query files.

    Returns:
        The queries in file order.

    Raises:
        DataError: Naming file and line, when a record is malformed or an id is there twice.
    """
    return tuple(
        AmberQuery(id=query, image=record.text("image"), query=record.text("query"))
        for query, record in _by_id(read_records(path)).items()
    )


def read_amber_annotations(path: str | Path) -> dict[int, AmberAnnotation]:
    """Read the annotations.

    Args:
        path: `annotations.json`.

    Returns:
        Annotations per query id: of the image for a description, of the right answer for a question.

    Raises:
        DataError: Naming file and line, when a record is malformed or an id is there twice.
    """
    return {query: _annotation(query, record) for query, record in _by_id(read_records(path)).items()}


def read_amber_words(relations: str | Path, safe_words: str | Path) -> AmberWords:
    """Read the word lists.

    Args:
        relations: `relation.json`, from each object to words that stand for it.
        safe_words: `safe_words.txt`, one word per line.

    Returns:
        The lists.

    Raises:
        DataError: When a file cannot be read or is not as described.
    """
    try:
        content = json.loads(read_text(relations))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{relations}:{error.lineno}: malformed JSON ({error.msg}); fetch the file again"
        ) from error
    if not isinstance(content, dict) or not all(_are_words(words) for words in content.values()):
        raise DataError(
            f"{relations}: expected an object from each word to a list of words; fetch the file again"
        )
    table = {word: tuple(related) for word, related in content.items()}
    return AmberWords(relations=table, safe=frozenset(read_text(safe_words).splitlines()))


def read_amber_responses(path: str | Path, annotations: Iterable[int] | None = None) -> dict[int, str]:
    """Read a model's responses.

    Args:
        path: JSON array or JSON lines of objects with `id` and `response`.
        annotations: Known query ids; when given, each response must belong to one.

    Returns:
        Responses per query id, in file order.

    Raises:
        DataError: Naming file and line, when a record is malformed, an id is there twice or unknown.
    """
    records = _by_id(read_records(path))
    known = None if annotations is None else frozenset(annotations)
    for query, record in records.items():
        if known is not None and query not in known:
            raise DataError(
                f"{record.place}: id {query} is not in the annotations; give the file they belong to"
            )
    return {query: record.text("response") for query, record in records.items()}


def score_amber(
    responses: str | Path,
    data: str | Path,
    *,
    rule: AmberRule = "official",
    similar: Similarity = str.__eq__,
    nouns: NounFinder | None = None,
) -> AmberScore:
    """Score a file of responses.

    Args:
        responses: The model's responses, see `read_amber_responses`.
        data: Folder with `annotations.json`, `relation.json` and `safe_words.txt`.
        rule: How yes/no answers are read: "official" or "strict".
        similar: Whether two words mean the same, see `amber_score`.
        nouns: Another way to find nouns, see `amber_score`.

    Returns:
        The scores of the parts that have responses.

    Raises:
        DataError: When a file is unusable or a response belongs to no query.
        ConfigError: For another rule.
    """
    folder = Path(data)
    annotations = read_amber_annotations(folder / ANNOTATIONS_FILE)
    lists = read_amber_words(folder / RELATIONS_FILE, folder / SAFE_WORDS_FILE)
    answered = read_amber_responses(responses, annotations)
    return amber_score(answered, annotations, lists, rule=rule, similar=similar, nouns=nouns)


def _by_id(records: Iterable[Record]) -> dict[int, Record]:
    found: dict[int, Record] = {}
    for record in records:
        query = record.integer("id")
        if query in found:
            raise DataError(
                f"{record.place}: id {query} is already at line {found[query].line}; keep one of them"
            )
        found[query] = record
    return found


def _annotation(query: int, record: Record) -> AmberAnnotation:
    kind = record.choice("type", (GENERATIVE, *DIMENSIONS))
    if kind == GENERATIVE:
        return AmberDescription(id=query, truth=_words(record, "truth"), imagined=_words(record, "hallu"))
    truth = record.choice("truth", ("yes", "no"))
    return AmberQuestion(id=query, dimension=DIMENSIONS[kind], truth="yes" if truth == "yes" else "no")


def _words(record: Record, field: str) -> tuple[str, ...]:
    value = record.fields.get(field)
    if not isinstance(value, list) or not _are_words(value):
        raise DataError(
            f"{record.place}: field {field!r} is {value!r}; expected a list of words, correct the entry"
        )
    return tuple(value)


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)
