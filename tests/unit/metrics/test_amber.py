import json
import random

import pytest

from scr_lens.errors import ConfigError, DataError
from scr_lens.metrics.amber import AmberDescription, AmberQuestion, AmberWords, amber_score

LISTS = AmberWords(
    relations={
        "sky": (),
        "man": ("person", "people"),
        "person": ("man",),
        "tree": ("forest",),
        "forest": ("tree",),
    },
    safe=frozenset({"sign"}),
)


def by_the_definition(
    nouns: list[str],
    truth: list[str],
    imagined: list[str],
    relations: dict[str, tuple[str, ...]],
    safe: set[str],
) -> tuple[int, set[int], set[int]]:
    """Hallucinated nouns, covered and hit positions, by looking up every noun in one flat list per side."""

    def first(noun: str, targets: list[str]) -> int | None:
        flat = [(word, i) for i, target in enumerate(targets) for word in relations[target]]
        flat += [(target, i) for i, target in enumerate(targets)]
        places = [i for word, i in flat if word == noun]
        return places[0] if places else None

    hallucinated, covered, hit = 0, set(), set()
    for noun in nouns:
        if noun in safe:
            continue
        place = first(noun, truth)
        if place is not None:
            covered.add(place)
        else:
            hallucinated += 1
            wrong = first(noun, imagined)
            if wrong is not None:
                hit.add(wrong)
    return hallucinated, covered, hit


def test_descriptions_by_hand() -> None:
    # nouns: person (truth "man"), tree (truth), sky (imagined), sign (safe word, stays in the denominator)
    relations = {**LISTS.relations, "sign": ()}
    lists = AmberWords(relations=relations, safe=LISTS.safe)
    annotations = {1: AmberDescription(id=1, truth=("man", "tree", "man"), imagined=("sky", "person"))}
    score = amber_score({1: "a person, a tree, the sky and a sign."}, annotations, lists)
    assert score.generative is not None
    assert (score.generative.n, score.generative.n_nouns) == (1, 4)
    assert score.generative.chair == 25.0
    assert score.generative.cover == 66.6  # 2 / 3.001
    assert score.generative.hal == 100.0
    assert score.generative.cog == 50.0
    assert score.discriminative is None
    assert score.amber is None


def test_random_descriptions_against_the_definition() -> None:
    generator = random.Random(0)
    vocabulary = [f"w{index}" for index in range(30)]
    relations = {word: tuple(generator.sample(vocabulary, generator.randint(0, 3))) for word in vocabulary}
    safe = set(vocabulary[:3])
    lists = AmberWords(relations=relations, safe=frozenset(safe))
    annotations, responses, counts = {}, {}, []
    for query in range(200):
        truth, imagined = (generator.choices(vocabulary, k=generator.randint(1, 5)) for _ in range(2))
        nouns = generator.choices(vocabulary, k=generator.randint(0, 8))
        annotations[query] = AmberDescription(id=query, truth=tuple(truth), imagined=tuple(imagined))
        responses[query] = " ".join(nouns)
        found = by_the_definition(nouns, truth, imagined, relations, safe)
        counts.append((len(nouns), len(truth), len(imagined), *found))
    score = amber_score(responses, annotations, lists, nouns=str.split).generative
    assert score is not None
    assert score.chair == round(sum(c[3] for c in counts) / (sum(c[0] for c in counts) + 0.001) * 100, 1)
    assert score.cover == round(sum(len(c[4]) for c in counts) / (sum(c[1] for c in counts) + 0.001) * 100, 1)
    assert score.cog == round(sum(len(c[5]) for c in counts) / (sum(c[2] for c in counts) + 0.001) * 100, 1)
    assert score.hal == round(100 - sum(c[3] == 0 for c in counts) / 200.001 * 100, 1)
    assert 0 < score.cog < score.cover < 100


def test_similarity_saves_a_noun_and_marks_an_imagined_one() -> None:
    lists = AmberWords(relations={"car": (), "auto": (), "sky": (), "heaven": ()}, safe=frozenset())
    annotations = {1: AmberDescription(id=1, truth=("car",), imagined=("sky",))}
    pairs = {("auto", "car"), ("heaven", "sky")}
    strict = amber_score({1: "auto heaven"}, annotations, lists, nouns=str.split).generative
    loose = amber_score(
        {1: "auto heaven"}, annotations, lists, nouns=str.split, similar=lambda a, b: (a, b) in pairs
    ).generative
    assert strict is not None
    assert loose is not None
    assert (strict.chair, strict.cover, strict.cog) == (100.0, 0.0, 0.0)
    assert (loose.chair, loose.cover, loose.cog) == (50.0, 99.9, 99.9)


def test_answers_by_hand() -> None:
    kinds = [("state", "yes"), ("state", "no"), ("number", "no"), ("existence", "no"), ("relation", "yes")]
    annotations = {
        index: AmberQuestion(id=index, dimension=kind, truth=truth)  # type: ignore[arg-type]
        for index, (kind, truth) in enumerate(kinds)
    }
    responses = dict(enumerate(["Yes", "No", "no", "No", "No"]))
    score = amber_score(responses, annotations, LISTS)
    assert score.discriminative is not None
    # right: state yes, state no, existence no; "no" in small letters is no answer
    assert (score.discriminative.n, score.discriminative.n_other) == (5, 1)
    assert score.discriminative.accuracy == 60.0
    assert (score.discriminative.precision, score.discriminative.recall) == (66.6, 66.6)
    assert score.discriminative.f1 == round(2 * 0.666 * 0.666 / (1.332 + 0.0001) * 100, 1)
    assert set(score.dimensions) == {"existence", "attribute", "state", "number", "relation"}
    assert score.dimensions["attribute"].n == 3
    assert score.dimensions["existence"].f1 == round(2 * 0.999 * 0.999 / (1.998 + 0.001) * 100, 1)
    strict = amber_score(responses, annotations, LISTS, rule="strict").discriminative
    assert strict is not None
    assert (strict.accuracy, strict.n_other) == (80.0, 0)


def test_combined_score() -> None:
    annotations = {
        1: AmberDescription(id=1, truth=("sky",), imagined=("man",)),
        2: AmberQuestion(id=2, dimension="existence", truth="no"),
    }
    score = amber_score({1: "the sky", 2: "No"}, annotations, LISTS)
    assert score.generative is not None
    assert score.discriminative is not None
    assert score.amber == (100 - score.generative.chair + score.discriminative.f1) / 2
    assert score.generative.chair == 0.0
    assert json.loads(json.dumps(score.to_dict()))["dimensions"]["existence"]["n"] == 1


def test_errors() -> None:
    with pytest.raises(DataError, match="response to query 5 has no annotation"):
        amber_score({5: "Yes"}, {}, LISTS)
    with pytest.raises(DataError, match="no response to score"):
        amber_score({}, {}, LISTS)
    with pytest.raises(ConfigError, match="unknown rule 'loose'"):
        amber_score({}, {}, LISTS, rule="loose")  # type: ignore[arg-type]
