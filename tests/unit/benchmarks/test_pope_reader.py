"""POPE files of every generation, and bad ones."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scr_lens.benchmarks import (
    SPLITS,
    ImageObjects,
    PopeQuestion,
    deduplicate,
    extract_object,
    read_ground_truth,
    read_questions,
    resolve_image,
)
from scr_lens.errors import DataError

GOOD = {"question_id": 1, "image": "a.jpg", "text": "Is there a dog in the image?", "label": "yes"}


def data(*parts: str) -> Path:
    root = os.environ.get("SCR_LENS_TEST_DATA")
    if not root:
        pytest.skip("SCR_LENS_TEST_DATA is not set: no official POPE files")
    return Path(root, "pope", *parts)


def save(folder: Path, *records: Any, name: str = "x_random.json") -> Path:
    path = folder / name
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records))
    return path


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Is there a dog in the image?", "dog"),
        ("Is there an umbrella in the imange?", "umbrella"),
        ("Is there a dining table in the image?\nAnswer the question using a single word.", "dining table"),
        ("Is there a skis in the image? Please answer this question with one word.", "skis"),
    ],
)
def test_object_is_found(text: str, name: str) -> None:
    assert extract_object(text) == name


@pytest.mark.parametrize("text", ["", "Is the dog black?", "Is there a  in the image?", "Is there a dog?"])
def test_other_questions_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="is not a POPE question; expected"):
        extract_object(text)


def test_text_is_kept_and_split_is_read_from_the_name(tmp_path: Path) -> None:
    record = {**GOOD, "text": "Is there an owl in the imange?", "label": "no", "question_id": "4"}
    (question,) = read_questions(save(tmp_path, record))
    assert question == PopeQuestion(
        question_id=4, image="a.jpg", text=record["text"], label="no", object="owl", split="random"
    )
    assert read_questions(save(tmp_path, GOOD), split="mine")[0].split == "mine"


def test_split_that_the_name_does_not_tell(tmp_path: Path) -> None:
    for name in ("questions.json", "random_or_popular.json"):
        with pytest.raises(DataError, match="cannot tell the split from the file name"):
            read_questions(save(tmp_path, GOOD, name=name))


def test_both_remedies_for_a_name_without_a_split_help(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_questions(save(tmp_path, GOOD, name="questions.json"))
    remedy = "; name the file with the split in it, such as 'my_adversarial.json', or pass split=, such as "
    before, _, after = str(caught.value).partition(remedy)
    assert before == "cannot tell the split from the file name 'questions.json'" and after == "'random'"
    assert read_questions(save(tmp_path, GOOD, name="my_adversarial.json"))[0].split == "adversarial"
    assert read_questions(tmp_path / "questions.json", split="random")[0].split == "random"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('{"question_id": 2,', "malformed JSON"),
        ({k: v for k, v in GOOD.items() if k != "image"}, "field 'image' is missing"),
        ({**GOOD, "question_id": 2, "label": "Yes"}, "field 'label' is 'Yes'; expected 'yes' or 'no'"),
        ({**GOOD, "question_id": 2, "label": None}, "field 'label' is None; expected text"),
        ({**GOOD, "question_id": "two"}, "field 'question_id' is 'two'; expected a whole number"),
        (GOOD, "question_id 1 repeats"),
        ({**GOOD, "question_id": 2, "text": "What is it?"}, "'What is it\\?' is not a POPE question"),
        ({**GOOD, "question_id": 2, "image": "../a.jpg"}, r"image '\.\./a\.jpg' is not a path inside"),
        ({**GOOD, "question_id": 2, "image": "x/../../a.jpg"}, "is not a path inside"),
        ({**GOOD, "question_id": 2, "image": "/etc/a.jpg"}, "is not a path inside"),
        ({**GOOD, "question_id": 2, "image": "..\\a.jpg"}, "is not a path inside"),
        ({**GOOD, "question_id": 2, "image": "C:a.jpg"}, "is not a path inside"),
        ({**GOOD, "question_id": 2, "image": " "}, "is not a path inside"),
    ],
)
def test_bad_records_name_file_and_line(tmp_path: Path, bad: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"x_random\.json:3: .*{message}"):
        read_questions(save(tmp_path, GOOD, "", bad))


class TestGroundTruth:
    def test_order_is_kept(self, tmp_path: Path) -> None:
        path = save(tmp_path, {"image": "a.jpg", "objects": ["dog", "cat"], "image_id": 3})
        assert read_ground_truth(path) == (ImageObjects("a.jpg", ("dog", "cat")),)

    @pytest.mark.parametrize(
        ("objects", "message"),
        [
            ("dog", "expected a list"),
            ([1], "expected a list"),
            (None, "expected a list"),
            (["a", "a"], "repeats"),
        ],
    )
    def test_bad_lists(self, tmp_path: Path, objects: Any, message: str) -> None:
        with pytest.raises(DataError, match=rf"x_random\.json:1: field 'objects' .*{message}"):
            read_ground_truth(save(tmp_path, {"image": "a.jpg", "objects": objects}))


class TestResolveImage:
    def test_inside(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "a.jpg").touch()
        assert resolve_image(tmp_path, "sub/a.jpg") == (tmp_path / "sub" / "a.jpg").resolve()

    def test_absent(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"image 'b\.jpg' is not in .*; check the image folder"):
            resolve_image(tmp_path, "b.jpg")

    def test_link_out_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "secret.jpg").touch()
        (tmp_path / "images").mkdir()
        (tmp_path / "images" / "a.jpg").symlink_to(tmp_path / "secret.jpg")
        for name in ("a.jpg", "../secret.jpg"):
            with pytest.raises(DataError, match="leads out of"):
                resolve_image(tmp_path / "images", name)


class TestDeduplicate:
    def make(self, number: int, name: str, split: str, label: Any = "yes") -> PopeQuestion:
        text = f"Is there a {name} in the image?"
        return PopeQuestion(
            question_id=number, image="a.jpg", text=text, label=label, object=name, split=split
        )

    def test_splits_and_occurrences_are_kept(self) -> None:
        asked = [
            self.make(1, "dog", "random"),
            self.make(2, "cat", "random"),
            self.make(1, "dog", "popular"),
            self.make(9, "dog", "popular"),
        ]
        dog, cat = deduplicate(asked)
        assert dog.splits == ("random", "popular")
        assert dog.occurrences == (("random", 1), ("popular", 1), ("popular", 9))
        assert (cat.object, cat.splits) == ("cat", ("random",))

    def test_contradicting_labels_are_refused(self) -> None:
        asked = [self.make(1, "dog", "random"), self.make(5, "dog", "popular", "no")]
        with pytest.raises(
            DataError, match=r"'dog' is labeled 'yes' in random question 1 but 'no' in popular"
        ):
            deduplicate(asked)


class TestOfficialFiles:
    def test_coco_splits_share_positives(self) -> None:
        asked = [q for split in SPLITS for q in read_questions(data("coco", f"coco_pope_{split}.json"))]
        assert len(asked) == 9000
        unique = deduplicate(asked)
        assert len(unique) == 5127
        assert sum(len(q.occurrences) for q in unique) == 9000
        assert Counter(q.label for q in unique if len(q.splits) == 3)["yes"] == 1500

    def test_old_release_is_the_new_one_less_ninety_negatives(self) -> None:
        old = {
            (q.image, q.object) for q in read_questions(data("coco_legacy_e3e3926", "coco_pope_random.json"))
        }
        new = {(q.image, q.object) for q in read_questions(data("coco", "coco_pope_random.json"))}
        assert len(old) == 2910
        assert old < new

    def test_array_and_lines_hold_the_same_questions(self) -> None:
        lines = read_questions(data("aokvqa", "aokvqa_pope_adversarial.json"))
        array = read_questions(data("aokvqa", "aokvqa_pope_seem_adversarial.official_array_format.json"))
        assert lines == array
        assert len(deduplicate(lines)) == 2999  # one pair is asked twice in the official file

    @pytest.mark.parametrize("split", SPLITS)
    def test_gqa(self, split: str) -> None:
        asked = read_questions(data("gqa", f"gqa_pope_{split}.json"))
        assert Counter(q.label for q in asked) == {"yes": 1500, "no": 1500}
