import json
from collections import Counter
from pathlib import Path

import pytest

from scr_lens.benchmarks.amber_reader import (
    read_amber_annotations,
    read_amber_queries,
    read_amber_responses,
    read_amber_words,
    score_amber,
)
from scr_lens.errors import DataError
from scr_lens.metrics.amber import AmberDescription, AmberQuestion


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "annotations.json").write_text(
        '[\n{"id": 1, "type": "generative", "truth": ["sky"], "hallu": ["dog"]},\n'
        '{"id": 2, "type": "discriminative-hallucination", "truth": "no"},\n'
        '{"id": 3, "type": "relation", "truth": "no"}\n]'
    )
    (tmp_path / "relation.json").write_text('{"sky": [], "dog": ["puppy"]}')
    (tmp_path / "safe_words.txt").write_text("orange\nsign")
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_annotations_and_words(folder: Path) -> None:
    annotations = read_amber_annotations(folder / "annotations.json")
    assert annotations == {
        1: AmberDescription(id=1, truth=("sky",), imagined=("dog",)),
        2: AmberQuestion(id=2, dimension="existence", truth="no"),
        3: AmberQuestion(id=3, dimension="relation", truth="no"),
    }
    lists = read_amber_words(folder / "relation.json", folder / "safe_words.txt")
    assert lists.known == {"sky", "dog", "puppy"}
    assert lists.safe == {"orange", "sign"}


def test_score(folder: Path) -> None:
    path = write(
        folder / "answers.json", json.dumps([{"id": 3, "response": "No"}, {"id": 1, "response": "A puppy."}])
    )
    score = score_amber(path, folder)
    assert score.generative is not None
    assert (score.generative.chair, score.generative.cog) == (99.9, 99.9)
    assert score.dimensions["relation"].accuracy == 99.9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[\n{"id": 1, "response": "x"},\n{"id": 1, "response": "y"}]',
            r"answers.json:3: id 1 is already at line 2",
        ),
        (
            '{"id": 1, "response": "x"}\n{"id": 99, "response": "y"}',
            r"answers.json:2: id 99 is not in the annot",
        ),
        ('{"id": 1, "response": "x"}\n{"id": 2}', r"answers.json:2: field 'response' is missing"),
        ('{"id": "x", "response": "x"}', r"answers.json:1: field 'id' is 'x'; expected a whole number"),
        ('[{"id": 1, "response": "x"},\n{"id": 2, "resp', r"answers.json:2: malformed JSON"),
        ("", r"answers.json holds no record"),
    ],
)
def test_bad_responses(folder: Path, text: str, message: str) -> None:
    path = write(folder / "answers.json", text)
    with pytest.raises(DataError, match=message):
        read_amber_responses(path, {1, 2})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": 1, "type": "generativ", "truth": []}', "'type' is 'generativ'; expected 'generative' or"),
        ('{"id": 1, "type": "generative", "truth": "sky"}', "'truth' is 'sky'; expected a list of words"),
        ('{"id": 1, "type": "generative", "truth": ["sky"]}', "'hallu' is None; expected a list of words"),
        ('{"id": 1, "type": "relation", "truth": "maybe"}', "'truth' is 'maybe'; expected 'yes' or 'no'"),
    ],
)
def test_bad_annotations(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=f"annotations.json:1: field {message}"):
        read_amber_annotations(write(tmp_path / "annotations.json", text))


def test_bad_words(folder: Path) -> None:
    path = write(folder / "relation.json", '{"sky": "blue"}')
    with pytest.raises(DataError, match=r"relation.json: expected an object from each word to a list"):
        read_amber_words(path, folder / "safe_words.txt")
    write(path, '{"sky":')
    with pytest.raises(DataError, match=r"relation.json:1: malformed JSON"):
        read_amber_words(path, folder / "safe_words.txt")


def test_official_files(real_data: Path) -> None:
    queries = read_amber_queries(real_data / "amber/query_all.json")
    annotations = read_amber_annotations(real_data / "amber/annotations.json")
    assert len(queries) == 15220
    assert {query.id for query in queries} == set(annotations)
    assert queries[0].image == "AMBER_1.jpg"
    kinds = Counter(
        a.dimension if isinstance(a, AmberQuestion) else "description" for a in annotations.values()
    )
    assert kinds == {
        **{
            "description": 1004,
            "existence": 4924,
            "state": 4764,
            "number": 2072,
            "action": 792,
            "relation": 1664,
        },
    }
    lists = read_amber_words(real_data / "amber/relation.json", real_data / "amber/safe_words.txt")
    assert len(lists.relations) == 340
    assert len(lists.safe) == 9


def test_always_no_on_the_official_files(real_data: Path, tmp_path: Path) -> None:
    annotations = read_amber_annotations(real_data / "amber/annotations.json")
    asked = [query for query, annotation in annotations.items() if isinstance(annotation, AmberQuestion)]
    answers = [{"id": query, "response": "No"} for query in asked]
    score = score_amber(write(tmp_path / "answers.json", json.dumps(answers)), real_data / "amber")
    assert score.discriminative is not None
    n_no = 4924 + 2382 + 1036 + 396 + 689
    assert score.discriminative.recall == 100.0
    assert score.discriminative.precision == score.discriminative.accuracy == round(n_no / 14216 * 100, 1)
    assert score.dimensions["existence"].f1 == round(2 / 2.001 * 100, 1)
    assert score.dimensions["relation"].precision == round(689 / 1664 * 100, 1)
