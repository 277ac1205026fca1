"""COCO-format files: records, order of objects, and errors that name the entry."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from scr_lens.benchmarks import ImageObjects, captions_by_image, image_objects, read_captions, read_instances
from scr_lens.errors import ConfigError, DataError

CONTENT: dict[str, Any] = {
    "images": [
        {"id": 7, "file_name": "seven.jpg", "width": 64, "height": 48, "license": 1},
        {"id": 3, "file_name": "three.jpg", "width": 64, "height": 48},
        {"id": 5, "file_name": "five.jpg", "width": 64, "height": 48},
    ],
    "categories": [
        {"id": 1, "name": "person", "supercategory": "person"},
        {"id": 18, "name": "dog", "supercategory": "animal"},
        {"id": 62, "name": "chair"},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 62, "bbox": [0, 0, 4, 4], "area": 10, "iscrowd": 0},
        {"id": 2, "image_id": 3, "category_id": 18, "bbox": [0, 0, 4.5, 4], "area": 5.5, "iscrowd": 0},
        {"id": 3, "image_id": 7, "category_id": 18, "bbox": [0, 0, 9, 4], "area": 30, "iscrowd": 0},
        {"id": 4, "image_id": 7, "category_id": 62, "bbox": [0, 0, 9, 4], "area": 25, "iscrowd": 0},
        {"id": 5, "image_id": 7, "category_id": 1, "bbox": [0, 0, 9, 4], "area": 99, "iscrowd": 1},
    ],
}


def save(folder: Path, content: Any) -> Path:
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return path


def test_records_keep_file_order(tmp_path: Path) -> None:
    read = read_instances(save(tmp_path, CONTENT))
    assert [image.id for image in read.images] == [7, 3, 5]
    assert [category.name for category in read.categories] == ["person", "dog", "chair"]
    assert read.annotations[1].bbox == (0.0, 0.0, 4.5, 4.0)
    assert [a.is_crowd for a in read.annotations] == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("order", "crowd", "expected"),
    [
        ("annotation", True, ("chair", "dog", "person")),
        ("annotation", False, ("chair", "dog")),
        ("area", True, ("person", "chair", "dog")),  # 99, 10 + 25, 30
        ("category", True, ("person", "dog", "chair")),
    ],
)
def test_object_order(tmp_path: Path, order: Any, crowd: bool, expected: tuple[str, ...]) -> None:
    listed = image_objects(read_instances(save(tmp_path, CONTENT)), order=order, include_crowd=crowd)
    assert listed == (
        ImageObjects("seven.jpg", expected),
        ImageObjects("three.jpg", ("dog",)),
        ImageObjects("five.jpg", ()),
    )


def test_unknown_order(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown object order 'size'"):
        image_objects(read_instances(save(tmp_path, CONTENT)), order="size")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("section", "index", "change", "message"),
    [
        ("annotations", 1, {"image_id": 99}, r"annotations\[1\] has image_id 99, which is not in images"),
        (
            "annotations",
            2,
            {"category_id": 2},
            r"annotations\[2\] has category_id 2, which is not in categories",
        ),
        ("annotations", 3, {"id": 1}, r"annotations\[3\] repeats id 1"),
        ("annotations", 0, {"bbox": [1, 2, 3]}, r"annotations\[0\] is unusable: not enough values"),
        ("annotations", 0, {"bbox": [0, 0, -1, 2]}, r"annotations\[0\] is unusable: bbox .* negative size"),
        ("annotations", 0, {"bbox": [0, 0, "1", 2]}, r"bbox holds '1', expected a number"),
        ("annotations", 0, {"area": None}, r"annotations\[0\] is unusable: area holds None"),
        ("images", 2, {"id": "5"}, r"images\[2\] is unusable: id is '5', expected a whole number"),
        ("images", 2, {"file_name": ""}, r"images\[2\] is unusable: file_name is '', expected text"),
        ("categories", 0, {"name": 4}, r"categories\[0\] is unusable: name is 4"),
    ],
)
def test_bad_entries_are_named(
    tmp_path: Path, section: str, index: int, change: dict[str, Any], message: str
) -> None:
    content = copy.deepcopy(CONTENT)
    content[section][index].update(change)
    with pytest.raises(DataError, match=rf"instances\.json: .*{message}"):
        read_instances(save(tmp_path, content))


def test_missing_field_and_section(tmp_path: Path) -> None:
    content = copy.deepcopy(CONTENT)
    del content["annotations"][4]["area"]
    with pytest.raises(DataError, match=r"annotations\[4\] lacks 'area'; add the field"):
        read_instances(save(tmp_path, content))
    with pytest.raises(DataError, match="has no list 'categories'"):
        read_instances(save(tmp_path, {"images": [], "annotations": []}))
    with pytest.raises(DataError, match="has no list 'images'"):
        read_captions(save(tmp_path, [1]))
    (tmp_path / "instances.json").write_text('{"images": [\n}')
    with pytest.raises(DataError, match=r"instances\.json:2: malformed JSON"):
        read_instances(tmp_path / "instances.json")


def test_captions_are_grouped_by_ascending_id(tmp_path: Path) -> None:
    captions = [(9, 7, "late"), (2, 3, "other"), (4, 7, "early")]
    content = {
        "images": CONTENT["images"],
        "annotations": [{"id": i, "image_id": image, "caption": text} for i, image, text in captions],
    }
    grouped = captions_by_image(read_captions(save(tmp_path, content)))
    assert grouped == {7: ("early", "late"), 3: ("other",), 5: ()}
    content["annotations"][1]["caption"] = 5
    with pytest.raises(DataError, match=r"annotations\[1\] is unusable: caption is 5, expected text"):
        read_captions(save(tmp_path, content))


def test_real_annotations() -> None:
    root = os.environ.get("SCR_LENS_TEST_DATA")
    if not root:
        pytest.skip("SCR_LENS_TEST_DATA is not set: no real COCO annotations")
    folder = Path(root) / "coco_mini" / "annotations"
    instances = read_instances(folder / "instances_val2017_mini.json")
    raw = json.loads((folder / "instances_val2017_mini.json").read_text())
    names = {c["id"]: c["name"] for c in raw["categories"]}
    listed = image_objects(instances, order="category")
    for image, entry in zip(raw["images"], listed, strict=True):
        present = {a["category_id"] for a in raw["annotations"] if a["image_id"] == image["id"]}
        assert entry == ImageObjects(image["file_name"], tuple(names[c] for c in sorted(present)))
    captions = captions_by_image(read_captions(folder / "captions_val2017_mini.json"))
    assert len(captions) == 79
    assert all(len(texts) == 5 for texts in captions.values())
