"""POPE question files and ground-truth files, read and checked."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal, cast

from scr_lens.benchmarks.coco import ImageObjects
from scr_lens.errors import DataError
from scr_lens.json_records import Record, read_records

Label = Literal["yes", "no"]
SPLITS = ("random", "popular", "adversarial")

# The first release of POPE's COCO files has "imange" in every question with "an".
_QUESTION = re.compile(r"\s*is there an? (?P<object>\S.*?) in the iman?ge\s*\?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PopeQuestion:
    """One question of a POPE file.

    Attributes:
        question_id: Number within its file.
        image: File name of the image, relative to the image folder.
        text: The question, exactly as in the file.
        label: "yes" when the object is in the image.
        object: Name of the object asked for.
        split: Name of the split that the file holds.
    """

    question_id: int
    image: str
    text: str
    label: Label
    object: str
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueQuestion:
    """One (image, object) pair, asked in one or several splits.

    Attributes:
        image: File name of the image.
        text: The question as first met.
        label: "yes" when the object is in the image.
        object: Name of the object asked for.
        splits: The splits that ask it, each once, in the order first met.
        occurrences: (split, question_id) of every asking. Two official files ask one pair twice, so scores
            that match the official script count occurrences, not pairs.
    """

    image: str
    text: str
    label: Label
    object: str
    splits: tuple[str, ...]
    occurrences: tuple[tuple[str, int], ...]


def read_questions(path: str | Path, split: str | None = None) -> tuple[PopeQuestion, ...]:
    """Read a POPE question file of any generation.

    Args:
        path: JSON lines or a JSON array with `question_id`, `image`, `text` and `label`.
        split: Name to give the split; None takes "random", "popular" or "adversarial" from the file name.

    Returns:
        The questions in file order.

    Raises:
        DataError: Naming file and line, if a record is malformed, a field is missing, a label is not yes or
            no, an id repeats, the text is not a POPE question, or the image path leaves its folder; or if the
            split cannot be told from the file name.
    """
    split = split if split is not None else _split_of(Path(path))
    questions: dict[int, PopeQuestion] = {}
    for record in read_records(path):
        question = _question(record, split)
        if question.question_id in questions:
            raise DataError(
                f"{record.place}: question_id {question.question_id} repeats; ids must be unique in a file"
            )
        questions[question.question_id] = question
    return tuple(questions.values())


def read_ground_truth(path: str | Path) -> tuple[ImageObjects, ...]:
    """Read POPE's ground-truth format, the input of the builder.

    Args:
        path: JSON lines or a JSON array with `image` and `objects` (ordered, unique names).

    Returns:
        One entry per image in file order.

    Raises:
        DataError: Naming file and line, if a record is malformed or its objects are not unique names.
    """
    return tuple(ImageObjects(_image(record), _objects(record)) for record in read_records(path))


def extract_object(text: str) -> str:
    """Find the object that a POPE question asks for.

    Args:
        text: "Is there a(n) ... in the image?", also with the old "imange", also with a prompt's suffix.

    Returns:
        The object's name as written.

    Raises:
        DataError: If the text is not such a question.
    """
    match = _QUESTION.match(text)
    if match is None:
        raise DataError(f"{text!r} is not a POPE question; expected 'Is there a <object> in the image?'")
    return match["object"]


def resolve_image(folder: str | Path, image: str) -> Path:
    """Find an image of a benchmark on disk.

    Args:
        folder: The image folder.
        image: File name from the benchmark, relative to that folder.

    Returns:
        Path of an existing file inside the folder, links followed.

    Raises:
        DataError: If the name leads out of the folder, also through a link, or no such file exists.
    """
    root = Path(folder).resolve()
    target = (root / image).resolve()
    if _escapes(image) or not target.is_relative_to(root):
        raise DataError(f"image {image!r} leads out of {folder}; expected a path inside that folder")
    if not target.is_file():
        raise DataError(f"image {image!r} is not in {folder}; check the image folder or fetch the images")
    return target


def deduplicate(questions: Iterable[PopeQuestion]) -> tuple[UniqueQuestion, ...]:
    """Merge questions that ask for the same object in the same image.

    Args:
        questions: Questions of any number of splits.

    Returns:
        One entry per (image, object), in the order first met.

    Raises:
        DataError: If one pair has both labels.
    """
    groups: dict[tuple[str, str], list[PopeQuestion]] = {}
    for question in questions:
        groups.setdefault((question.image, question.object), []).append(question)
    return tuple(_merge(group) for group in groups.values())


def _merge(group: list[PopeQuestion]) -> UniqueQuestion:
    first = group[0]
    for other in group:
        if other.label != first.label:
            raise DataError(
                f"image {first.image!r}, object {first.object!r} is labeled {first.label!r} in {first.split} "
                f"question {first.question_id} but {other.label!r} in {other.split} question "
                f"{other.question_id}; give splits built from the same ground truth"
            )
    return UniqueQuestion(
        image=first.image,
        text=first.text,
        label=first.label,
        object=first.object,
        splits=tuple(dict.fromkeys(question.split for question in group)),
        occurrences=tuple((question.split, question.question_id) for question in group),
    )


def _question(record: Record, split: str) -> PopeQuestion:
    text = record.text("text")
    try:
        asked = extract_object(text)
    except DataError as error:
        raise DataError(f"{record.place}: {error}") from None
    return PopeQuestion(
        question_id=record.integer("question_id"),
        image=_image(record),
        text=text,
        label=cast(Label, record.choice("label", ("yes", "no"))),
        object=asked,
        split=split,
    )


def _image(record: Record) -> str:
    image = record.text("image")
    if _escapes(image):
        raise DataError(
            f"{record.place}: image {image!r} is not a path inside the image folder; correct the line"
        )
    return image


def _escapes(image: str) -> bool:
    """Whether a path is empty, absolute or climbs, on this system or any other."""
    windows = PureWindowsPath(image)
    absolute = PurePosixPath(image).is_absolute() or bool(windows.drive or windows.root)
    return not image.strip() or "\0" in image or absolute or ".." in windows.parts


def _objects(record: Record) -> tuple[str, ...]:
    names = record.fields.get("objects")
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise DataError(f"{record.place}: field 'objects' is {names!r}; expected a list of object names")
    if len(set(names)) != len(names):
        raise DataError(f"{record.place}: field 'objects' repeats a name in {names!r}; list each object once")
    return tuple(names)


def _split_of(path: Path) -> str:
    found = [split for split in SPLITS if split in path.name]
    if len(found) != 1:
        raise DataError(
            f"cannot tell the split from the file name {path.name!r}; name the file with the split in it, "
            f"such as 'my_{SPLITS[-1]}.json', or pass split=, such as {SPLITS[0]!r}"
        )
    return found[0]
