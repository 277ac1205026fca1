"""COCO-format annotation files as typed records, and the object list of each image."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from scr_lens.errors import ConfigError, DataError, unknown_name
from scr_lens.json_records import read_text

ObjectOrder = Literal["annotation", "area", "category"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoImage:
    """One entry of `images`; width and height in pixels."""

    id: int
    file_name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoCategory:
    """One entry of `categories`."""

    id: int
    name: str
    supercategory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoInstance:
    """One annotated object; bbox is (x, y, width, height) in pixels, area in square pixels."""

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    is_crowd: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoCaption:
    """One caption of an image."""

    id: int
    image_id: int
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoInstances:
    """An instances file; every tuple is in file order."""

    images: tuple[CocoImage, ...]
    categories: tuple[CocoCategory, ...]
    annotations: tuple[CocoInstance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoCaptions:
    """A captions file; every tuple is in file order."""

    images: tuple[CocoImage, ...]
    annotations: tuple[CocoCaption, ...]


@dataclass(frozen=True, slots=True)
class ImageObjects:
    """The objects of one image: unique names, in an order that matters (POPE asks for the first ones)."""

    image: str
    objects: tuple[str, ...]


def read_instances(path: str | Path) -> CocoInstances:
    """Read a COCO instances file, of 2014 or 2017 or of one's own making.

    Args:
        path: JSON file with `images`, `categories` and `annotations`; segmentation masks are not read.

    Returns:
        The records, checked: ids are unique and every annotation has a known image and category.

    Raises:
        DataError: Naming the file and the entry, if anything is malformed.
    """
    sections = _read_sections(path, ("images", "categories", "annotations"))
    images = _entries(path, "images", sections["images"], _image)
    categories = _entries(path, "categories", sections["categories"], _category)
    annotations = _entries(path, "annotations", sections["annotations"], _instance)
    _check_references(path, annotations, "image_id", {image.id for image in images})
    _check_references(path, annotations, "category_id", {category.id for category in categories})
    return CocoInstances(images=images, categories=categories, annotations=annotations)


def read_captions(path: str | Path) -> CocoCaptions:
    """Read a COCO captions file.

    Args:
        path: JSON file with `images` and `annotations`.

    Returns:
        The records, checked: ids are unique and every caption has a known image.

    Raises:
        DataError: Naming the file and the entry, if anything is malformed.
    """
    sections = _read_sections(path, ("images", "annotations"))
    images = _entries(path, "images", sections["images"], _image)
    annotations = _entries(path, "annotations", sections["annotations"], _caption)
    _check_references(path, annotations, "image_id", {image.id for image in images})
    return CocoCaptions(images=images, annotations=annotations)


def captions_by_image(captions: CocoCaptions) -> dict[int, tuple[str, ...]]:
    """Group captions by image.

    Args:
        captions: A captions file.

    Returns:
        For every image id in file order its captions by ascending annotation id; () when it has none.
    """
    grouped: dict[int, list[str]] = {image.id: [] for image in captions.images}
    for caption in sorted(captions.annotations, key=lambda entry: entry.id):
        grouped[caption.image_id].append(caption.caption)
    return {image_id: tuple(texts) for image_id, texts in grouped.items()}


def image_objects(
    instances: CocoInstances, *, order: ObjectOrder, include_crowd: bool = True
) -> tuple[ImageObjects, ...]:
    """List the categories present in every image.

    Args:
        instances: An instances file.
        order: "annotation" is the order of first mention in the file, "area" the largest summed area first
            (ties by first mention), "category" the order of the file's category table.
        include_crowd: Count crowd regions as objects too, as CHAIR and POPE do.

    Returns:
        One entry per image in file order; its names are unique and may be none.

    Raises:
        ConfigError: If the order is unknown.
    """
    if order not in get_args(ObjectOrder):
        raise ConfigError(unknown_name("object order", order, get_args(ObjectOrder)))
    areas: dict[int, dict[int, float]] = {image.id: {} for image in instances.images}
    for entry in instances.annotations:
        if include_crowd or not entry.is_crowd:
            seen = areas[entry.image_id]
            seen[entry.category_id] = seen.get(entry.category_id, 0.0) + entry.area
    rank = {category.id: index for index, category in enumerate(instances.categories)}
    names = {category.id: category.name for category in instances.categories}
    return tuple(
        ImageObjects(image.file_name, tuple(names[c] for c in _ordered(areas[image.id], order, rank)))
        for image in instances.images
    )


def _ordered(areas: Mapping[int, float], order: ObjectOrder, rank: Mapping[int, int]) -> list[int]:
    if order == "area":
        return sorted(areas, key=lambda category: -areas[category])
    return sorted(areas, key=lambda category: rank[category]) if order == "category" else list(areas)


def _read_sections(path: str | Path, names: tuple[str, ...]) -> dict[str, list[Any]]:
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}:{error.lineno}: malformed JSON ({error.msg}); fetch the file again"
        ) from error
    for name in names:
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise DataError(f"{path} has no list {name!r}; expected a COCO file with {', '.join(names)}")
    return {name: content[name] for name in names}


def _entries(path: str | Path, section: str, raw: list[Any], build: Callable[[Any], T]) -> tuple[T, ...]:
    built: dict[int, T] = {}
    for index, entry in enumerate(raw):
        try:
            record = build(entry)
        except KeyError as error:
            raise DataError(f"{path}: {section}[{index}] lacks {error}; add the field") from error
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: {section}[{index}] is unusable: {error}; correct the entry") from error
        identity = entry["id"]
        if identity in built:
            raise DataError(
                f"{path}: {section}[{index}] repeats id {identity}; ids must be unique, remove one"
            )
        built[identity] = record
    return tuple(built.values())


def _check_references(path: str | Path, records: tuple[Any, ...], field: str, known: set[int]) -> None:
    section = "images" if field == "image_id" else "categories"
    for index, record in enumerate(records):
        target = getattr(record, field)
        if target not in known:
            raise DataError(
                f"{path}: annotations[{index}] has {field} {target}, which is not in {section}; remove it"
            )


def _image(entry: Any) -> CocoImage:
    return CocoImage(
        id=_integer(entry, "id"),
        file_name=_text(entry, "file_name"),
        width=_integer(entry, "width"),
        height=_integer(entry, "height"),
    )


def _category(entry: Any) -> CocoCategory:
    supercategory = str(entry["supercategory"]) if "supercategory" in entry else ""
    return CocoCategory(id=_integer(entry, "id"), name=_text(entry, "name"), supercategory=supercategory)


def _instance(entry: Any) -> CocoInstance:
    x, y, width, height = (_number(value, "bbox") for value in entry["bbox"])
    if width < 0 or height < 0:
        raise ValueError(f"bbox {entry['bbox']} has a negative size; expected [x, y, width, height]")
    return CocoInstance(
        id=_integer(entry, "id"),
        image_id=_integer(entry, "image_id"),
        category_id=_integer(entry, "category_id"),
        bbox=(x, y, width, height),
        area=_number(entry["area"], "area"),
        is_crowd=bool(entry.get("iscrowd", 0)),
    )


def _caption(entry: Any) -> CocoCaption:
    caption = entry["caption"]
    if not isinstance(caption, str):
        raise TypeError(f"caption is {caption!r}, expected text")
    return CocoCaption(id=_integer(entry, "id"), image_id=_integer(entry, "image_id"), caption=caption)


def _text(entry: Any, key: str) -> str:
    value = entry[key]
    if not isinstance(value, str) or not value:
        raise TypeError(f"{key} is {value!r}, expected text")
    return value


def _integer(entry: Any, key: str) -> int:
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{key} is {value!r}, expected a whole number")
    return value


def _number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{key} holds {value!r}, expected a number")
    return float(value)
