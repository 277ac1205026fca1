import gzip
import json
from pathlib import Path

import pytest

from scr_lens.benchmarks.captions import (
    read_generated_captions,
    read_instance_categories,
    read_object_lists,
    read_reference_captions,
    score_chair,
    score_cider,
)
from scr_lens.errors import ConfigError, DataError
from scr_lens.metrics.chair import caption_ground_truth
from scr_lens.metrics.chair_vocabulary import read_vocabulary
from scr_lens.metrics.singular import Singularization

IMAGES = [{"id": i, "file_name": f"{i}.jpg", "width": 4, "height": 4} for i in (1, 2)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    captions = [(10, 1, "A dog runs on grass."), (11, 1, "A puppy."), (12, 2, "Two people sit on a bench.")]
    annotations = [{"id": i, "image_id": image, "caption": text} for i, image, text in captions]
    (tmp_path / "captions.json").write_text(json.dumps({"images": IMAGES, "annotations": annotations}))
    box = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 1}
    instances = {"images": IMAGES, "categories": [{"id": 3, "name": "cat"}], "annotations": [box]}
    (tmp_path / "instances.json").write_text(json.dumps(instances))
    (tmp_path / "out.jsonl").write_text(
        '{"image_id": 1, "caption": "A dog and a horse."}\n{"image_id": "2", "caption": "A cat."}\n'
    )
    return tmp_path


def test_readers(folder: Path) -> None:
    generated = read_generated_captions(folder / "out.jsonl")
    assert [(caption.image_id, caption.caption) for caption in generated] == [
        (1, "A dog and a horse."),
        (2, "A cat."),
    ]
    assert generated[1].place.endswith("out.jsonl:2")
    assert read_reference_captions(folder / "captions.json")[1] == ("A dog runs on grass.", "A puppy.")
    assert read_instance_categories([folder / "instances.json"]) == {1: {"cat"}, 2: frozenset()}


def test_chair_from_annotations_and_from_lists(folder: Path) -> None:
    score = score_chair(
        folder / "out.jsonl", instances=folder / "instances.json", references=[folder / "captions.json"]
    )
    # mentions: dog (in the captions), horse (nowhere), cat (only in image 1)
    assert (score.n_mentions, score.n_hallucinated_mentions, score.n_objects) == (3, 2, 4)
    lists = folder / "objects.json.gz"
    lists.write_bytes(gzip.compress(b'{"images": {"1": {"lemma": ["dog"], "pattern": []}, "2": ["cat"]}}'))
    assert score_chair(folder / "out.jsonl", objects=lists).n_hallucinated_mentions == 2
    assert (
        score_chair(folder / "out.jsonl", objects=lists, singularization="lemma").n_hallucinated_mentions == 1
    )


def test_other_keys(folder: Path) -> None:
    (folder / "out.json").write_text('[{"id": 1, "text": "A dog."}]')
    read = read_generated_captions(folder / "out.json", image_key="id", caption_key="text")
    assert read[0].caption == "A dog."


def test_cider(folder: Path) -> None:
    score = score_cider(folder / "out.jsonl", folder / "captions.json")
    assert score.n_images == 2
    assert 0 < score.score < 10
    wide = score_cider(
        folder / "out.jsonl", folder / "captions.json", frequency_references=folder / "captions.json"
    )
    assert wide.score == pytest.approx(score.score)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"image_id": 1, "caption": "x"}\n{"image_id": 1, "caption": "y"}',
            r":2: image 1 already has a caption at .*:1",
        ),
        ('{"image_id": 1, "caption": "x"}\n{"image_id": 2}', r":2: field 'caption' is missing"),
        ('{"image_id": true, "caption": "x"}', r":1: field 'image_id' is True; expected a whole number"),
        ('{"image_id": 1, "caption": 3}', r":1: field 'caption' is 3; expected text"),
        ('{"image_id": 1, "caption": "x"}\n{"image_id": 2, "capt', r":2: malformed JSON"),
        (
            '{"image_id": 1, "caption": "x"}\n{"image_id": 9, "caption": "x"}',
            r":2: image 9 is not in the ground truth",
        ),
    ],
)
def test_bad_captions(folder: Path, text: str, message: str) -> None:
    path = folder / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match="bad.jsonl" + message):
        score_chair(path, instances=folder / "instances.json", references=folder / "captions.json")


def test_missing_reference(folder: Path) -> None:
    (folder / "bad.jsonl").write_text('{"image_id": 9, "caption": "x"}')
    with pytest.raises(DataError, match=r"bad.jsonl:1: image 9 has no reference caption"):
        score_cider(folder / "bad.jsonl", folder / "captions.json")


def test_ground_truth_must_be_complete_and_single(folder: Path) -> None:
    out, one, other = folder / "out.jsonl", folder / "instances.json", folder / "captions.json"
    for arguments in ({}, {"instances": one}, {"references": other}, {"objects": one, "references": other}):
        with pytest.raises(
            ConfigError, match="CHAIR needs either a file of objects, or instances and reference"
        ):
            score_chair(out, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"x": []}', "key 'x' is not an image id"),
        ('{"1": "cat"}', "image 1 has 'cat'; expected a list of names"),
        ('{"1": {"lemma": []}}', "or an object with the list 'pattern'"),
        ("[]", "expected an object from image id to names"),
        ('{"1":\n', r"objects.json:2: malformed JSON"),
    ],
)
def test_bad_object_lists(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "objects.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_object_lists(path, "pattern")


def test_damaged_archive(tmp_path: Path) -> None:
    path = tmp_path / "objects.json.gz"
    path.write_bytes(gzip.compress(b'{"1": []}' * 50)[:-9])
    with pytest.raises(DataError, match=r"objects.json.gz: cannot read the file"):
        read_object_lists(path, "pattern")


@pytest.mark.parametrize("way", ["pattern", "lemma"])
def test_real_annotations_give_the_original_ground_truth(way: Singularization, real_data: Path) -> None:
    folder = real_data / "coco_mini/annotations"
    truth = caption_ground_truth(
        read_reference_captions(sorted(folder.glob("captions_*.json"))),
        read_instance_categories(sorted(folder.glob("instances_*.json"))),
        read_vocabulary(real_data / "chair/synonyms.txt"),
        way,
    )
    official = read_object_lists(real_data / "chair/gt_objects_subset.json.gz", way)
    assert len(truth) == 159
    assert {image: official[image] for image in truth} == truth


def test_real_files(real_data: Path) -> None:
    captions = real_data / "chair/captions/llava-1.5_greedy.jsonl"
    objects, synonyms = real_data / "chair/gt_objects_subset.json.gz", real_data / "chair/synonyms.txt"
    score = score_chair(captions, objects=objects, synonyms=synonyms)
    assert (score.chair_s, score.vocabulary) == (0.45, "synonyms.txt")
