import gzip
import json
from pathlib import Path

import pytest

from scr_lens.errors import ConfigError, DataError
from scr_lens.metrics.chair import caption_ground_truth, chair_score, find_objects
from scr_lens.metrics.chair_vocabulary import builtin_vocabulary, read_vocabulary
from scr_lens.metrics.singular import Singularization

VOCABULARY = builtin_vocabulary()
# The tagger of the original takes these plurals for other parts of speech.
TAGGER_DEPENDENT = {
    "Geese and mice and oxen run.",
    "He has a suit case and suitcases full of luggage.",
}


def test_counts_by_hand() -> None:
    captions = [
        (1, "Two dogs and a cat. The dog sleeps."),  # dog, cat (not there), dog
        (2, "A man on a couch."),  # person, couch (not there)
        (3, "Nothing to see."),
    ]
    objects = {1: {"dog", "bench"}, 2: {"person"}, 3: {"car", "tie"}, 4: {"bus"}}
    score = chair_score(captions, objects, VOCABULARY)
    assert (score.n_captions, score.n_hallucinated_captions) == (3, 2)
    assert (score.n_mentions, score.n_hallucinated_mentions) == (5, 2)
    assert (score.n_objects, score.n_recalled_objects) == (5, 2)
    assert (score.chair_s, score.chair_i, score.recall) == (2 / 3, 2 / 5, 2 / 5)
    assert score.mean_words == (10 + 6 + 4) / 3
    assert [m.name for m in score.captions[0].hallucinated] == ["cat"]


def test_no_mention_and_no_caption_give_none() -> None:
    score = chair_score([(1, "Nothing.")], {1: set()}, VOCABULARY)
    assert (score.chair_s, score.chair_i, score.recall) == (0.0, None, None)
    assert chair_score([], {}, VOCABULARY).chair_s is None


def test_a_seat_beside_a_toilet_is_no_chair() -> None:
    vocabulary = builtin_vocabulary()
    with_seat = type(vocabulary)({**vocabulary.objects, "seat": "chair"}, "test")
    found = find_objects("A seat near a toilet and a chair.", with_seat, "pattern")
    assert [(m.word, m.position) for m in found.mentions] == [("toilet", 4), ("chair", 7)]
    assert [m.name for m in find_objects("A seat.", with_seat, "pattern").mentions] == ["chair"]


def test_ground_truth_unites_annotations_and_captions() -> None:
    truth = caption_ground_truth(
        {1: ["A puppy.", "A dog on a sofa."], 2: ["Nothing."]},
        {1: ["bench"], 3: ["cat"]},
        VOCABULARY,
        "pattern",
    )
    assert truth == {1: {"dog", "couch", "bench"}, 2: frozenset(), 3: {"cat"}}


def test_errors() -> None:
    with pytest.raises(DataError, match=r"image 7 \(caption 'A dog.'\) has no ground truth"):
        chair_score([(7, "A dog.")], {1: set()}, VOCABULARY)
    with pytest.raises(DataError, match=r"category 'unicorn' is not in the vocabulary \(built in\)"):
        caption_ground_truth({}, {1: ["unicorn"]}, VOCABULARY, "pattern")
    with pytest.raises(ConfigError, match="unknown singularization 'stem'"):
        chair_score([(1, "A dog.")], {1: set()}, VOCABULARY, "stem")  # type: ignore[arg-type]


def test_to_dict_is_plain() -> None:
    plain = chair_score([(1, "A dog.")], {1: {"cat"}}, VOCABULARY).to_dict()
    assert json.loads(json.dumps(plain))["captions"][0]["hallucinated"] == [
        {"word": "dog", "name": "dog", "position": 1}
    ]
    assert plain["chair_s"] == 1.0


@pytest.mark.parametrize("way", ["pattern", "lemma"])
def test_unit_cases_of_the_official_scripts(way: Singularization, real_data: Path) -> None:
    vocabulary = read_vocabulary(real_data / "chair/synonyms.txt")
    cases = json.loads((real_data / "reference/chair_unit_cases.json").read_text())["cases"][way]
    assert len(cases) == 30
    for case in cases:
        if way == "lemma" and case["caption"] in TAGGER_DEPENDENT:
            continue
        found = find_objects(case["caption"], vocabulary, way)
        assert [m.word for m in found.mentions] == case["words"], case["caption"]
        assert [m.name for m in found.mentions] == case["nodes"]
        assert len(found.words) == len(case["tokens"])
        if way == "pattern":
            assert list(found.words) == case["tokens"]


@pytest.mark.parametrize("way", ["pattern", "lemma"])
@pytest.mark.parametrize("model", ["llava-1.5", "minigpt4", "instructblip"])
def test_scores_of_the_official_scripts(model: str, way: Singularization, real_data: Path) -> None:
    vocabulary = read_vocabulary(real_data / "chair/synonyms.txt")
    objects = json.loads(gzip.decompress((real_data / "chair/gt_objects_subset.json.gz").read_bytes()))[
        "images"
    ]
    lines = (real_data / f"chair/captions/{model}_greedy.jsonl").read_text().splitlines()
    captions = [(record["image_id"], record["caption"]) for record in map(json.loads, lines)]
    reference = json.loads((real_data / "reference/chair_reference.json").read_text())["files"]
    expected = reference[f"chair/captions/opera/{model}_greedy.jsonl"][way]

    score = chair_score(
        captions, {int(image): set(names[way]) for image, names in objects.items()}, vocabulary, way
    )

    assert score.n_hallucinated_captions == expected["n_hallucinated_captions"]
    assert score.mean_words == pytest.approx(expected["mean_len_tokens_after_double_word_merge"], abs=0.01)
    assert score.chair_i is not None
    if way == "pattern":
        assert score.n_mentions == expected["n_object_mentions"]
        assert score.n_hallucinated_mentions == expected["n_hallucinated_mentions"]
        assert score.n_recalled_objects == expected["n_recalled_gt_objects"]
    else:
        assert 100 * abs(score.chair_i - expected["CHAIRi"]) < (0.3 if model == "instructblip" else 0.05)
        assert abs(score.n_recalled_objects - expected["n_recalled_gt_objects"]) <= 5
