"""Files of generated captions and of what is in their images, scored by CHAIR and CIDEr."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scr_lens.benchmarks.coco import captions_by_image, read_captions, read_instances
from scr_lens.errors import ConfigError, DataError
from scr_lens.json_records import read_records, read_text
from scr_lens.metrics.chair import ChairScore, caption_ground_truth, chair_score
from scr_lens.metrics.chair_vocabulary import ChairVocabulary, builtin_vocabulary, read_vocabulary
from scr_lens.metrics.cider import CiderScore, CiderVariant, cider_score, document_frequencies
from scr_lens.metrics.singular import Singularization

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class GeneratedCaption:
    """A caption that a model wrote; `place` is "file:line"."""

    image_id: int
    caption: str
    place: str


def read_generated_captions(
    path: str | Path, *, image_key: str = "image_id", caption_key: str = "caption"
) -> tuple[GeneratedCaption, ...]:
    """Read captions that a model wrote, one per image.

    Args:
        path: JSON lines, or a JSON array of objects.
        image_key: Field with the COCO image id.
        caption_key: Field with the caption.

    Returns:
        The captions in file order.

    Raises:
        DataError: Naming file and line, when a record is malformed or an image has two captions.
    """
    captions: dict[int, GeneratedCaption] = {}
    for record in read_records(path):
        caption = GeneratedCaption(record.integer(image_key), record.text(caption_key), record.place)
        if caption.image_id in captions:
            raise DataError(
                f"{record.place}: image {caption.image_id} already has a caption at "
                f"{captions[caption.image_id].place}; keep one per image"
            )
        captions[caption.image_id] = caption
    return tuple(captions.values())


def read_reference_captions(paths: Paths) -> dict[int, tuple[str, ...]]:
    """Read COCO captions files into the captions of each image.

    Args:
        paths: One file or several, such as those of the train and the val split.

    Returns:
        Captions per image id, by annotation id; images without captions are left out.

    Raises:
        DataError: When a file is unusable.
    """
    merged: dict[int, tuple[str, ...]] = {}
    for path in _as_paths(paths):
        for image, texts in captions_by_image(read_captions(path)).items():
            merged[image] = merged.get(image, ()) + texts
    return {image: texts for image, texts in merged.items() if texts}


def read_instance_categories(paths: Paths) -> dict[int, frozenset[str]]:
    """Read COCO instances files into the categories present in each image, crowd regions included.

    Args:
        paths: One file or several.

    Returns:
        Category names per image id; an image without objects has none.

    Raises:
        DataError: When a file is unusable.
    """
    merged: dict[int, frozenset[str]] = {}
    for path in _as_paths(paths):
        instances = read_instances(path)
        names = {category.id: category.name for category in instances.categories}
        present: dict[int, set[str]] = {image.id: set() for image in instances.images}
        for entry in instances.annotations:
            present[entry.image_id].add(names[entry.category_id])
        for image, found in present.items():
            merged[image] = merged.get(image, frozenset()) | found
    return merged


def read_object_lists(path: str | Path, singularization: Singularization) -> dict[int, frozenset[str]]:
    """Read the objects of each image from a file made beforehand.

    Args:
        path: JSON, or JSON packed with gzip: an object from image id to a list of names, or to an object with
            one list for each singularization; it may stand under the key "images".
        singularization: Which list to take where there are two.

    Returns:
        Names of objects per image id.

    Raises:
        DataError: When the file cannot be read, or an entry is not as expected.
    """
    content = _read_json(Path(path))
    entries = content.get("images", content) if isinstance(content, dict) else content
    if not isinstance(entries, dict):
        raise DataError(f"{path}: expected an object from image id to names of objects; check the file")
    return {_image_id(path, key): _names(path, key, value, singularization) for key, value in entries.items()}


def score_chair(
    captions: str | Path,
    *,
    objects: str | Path | None = None,
    instances: Paths = (),
    references: Paths = (),
    synonyms: str | Path | None = None,
    singularization: Singularization = "pattern",
    image_key: str = "image_id",
    caption_key: str = "caption",
) -> ChairScore:
    """Score a file of captions with CHAIR.

    Args:
        captions: Captions that a model wrote, see `read_generated_captions`.
        objects: Objects of each image made beforehand, see `read_object_lists`; or else:
        instances: COCO instances files; and
        references: COCO captions files of the same images. The original needs both.
        synonyms: The official `synonyms.txt`; by default the package's own short vocabulary, whose scores are
            not comparable with published ones.
        singularization: "pattern" (the original) or "lemma" (OPERA and its followers).
        image_key: Field with the image id.
        caption_key: Field with the caption.

    Returns:
        The scores.

    Raises:
        ConfigError: When neither `objects` nor both of `instances` and `references` are given, or all are.
        DataError: When a file is unusable or an image has no ground truth.
    """
    vocabulary = read_vocabulary(synonyms) if synonyms is not None else builtin_vocabulary()
    generated = read_generated_captions(captions, image_key=image_key, caption_key=caption_key)
    truth = _ground_truth(objects, instances, references, vocabulary, singularization)
    for caption in generated:
        if caption.image_id not in truth:
            raise DataError(
                f"{caption.place}: image {caption.image_id} is not in the ground truth; "
                "give the annotations of the split that it belongs to"
            )
    pairs = [(caption.image_id, caption.caption) for caption in generated]
    return chair_score(pairs, truth, vocabulary, singularization)


def score_cider(
    captions: str | Path,
    references: Paths,
    *,
    variant: CiderVariant = "cider-d",
    frequency_references: Paths = (),
    image_key: str = "image_id",
    caption_key: str = "caption",
) -> CiderScore:
    """Score a file of captions with CIDEr-D or CIDEr.

    Args:
        captions: Captions that a model wrote, see `read_generated_captions`.
        references: COCO captions files that hold at least their images.
        variant: "cider-d", which the COCO evaluation calls CIDEr, or "cider", the plain one.
        frequency_references: COCO captions files to count document frequencies in; by default the references
            of the captioned images, as the COCO evaluation does.
        image_key: Field with the image id.
        caption_key: Field with the caption.

    Returns:
        The scores.

    Raises:
        DataError: When a file is unusable or an image has no reference.
    """
    generated = read_generated_captions(captions, image_key=image_key, caption_key=caption_key)
    known = read_reference_captions(references)
    for caption in generated:
        if caption.image_id not in known:
            raise DataError(
                f"{caption.place}: image {caption.image_id} has no reference caption; "
                "give the captions file of its split or remove the line"
            )
    paths = _as_paths(frequency_references)
    frequencies = document_frequencies(read_reference_captions(paths)) if paths else None
    texts = {caption.image_id: caption.caption for caption in generated}
    return cider_score(texts, known, variant=variant, frequencies=frequencies)


def _ground_truth(
    objects: str | Path | None,
    instances: Paths,
    references: Paths,
    vocabulary: ChairVocabulary,
    singularization: Singularization,
) -> dict[int, frozenset[str]]:
    annotated, described = _as_paths(instances), _as_paths(references)
    if objects is not None and not annotated and not described:
        return read_object_lists(objects, singularization)
    if objects is not None or not annotated or not described:
        raise ConfigError(
            "CHAIR needs either a file of objects, or instances and reference captions together; "
            f"got objects={objects}, {len(annotated)} instances and {len(described)} reference files"
        )
    return caption_ground_truth(
        read_reference_captions(described), read_instance_categories(annotated), vocabulary, singularization
    )


def _as_paths(paths: Paths) -> tuple[Path, ...]:
    return (Path(paths),) if isinstance(paths, str | Path) else tuple(Path(path) for path in paths)


def _read_json(path: Path) -> Any:
    try:
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else read_text(path)
        return json.loads(text)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read the file ({error}); fetch it again") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}:{error.lineno}: malformed JSON ({error.msg}); fetch the file again"
        ) from error


def _image_id(path: str | Path, key: str) -> int:
    if not key.isdecimal():
        raise DataError(f"{path}: key {key!r} is not an image id; expected digits, correct the key")
    return int(key)


def _names(path: str | Path, key: str, value: Any, singularization: Singularization) -> frozenset[str]:
    names = value.get(singularization) if isinstance(value, dict) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(
            f"{path}: image {key} has {str(value)[:60]!r}; expected a list of names, "
            f"or an object with the list {singularization!r}"
        )
    return frozenset(names)
