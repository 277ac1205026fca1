"""POPE questions built from the objects of any annotated images, by the official algorithm with a seed."""

import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence

from scr_lens.benchmarks.coco import ImageObjects
from scr_lens.benchmarks.pope_reader import SPLITS, Label, PopeQuestion
from scr_lens.errors import ConfigError, DataError, unknown_name


def build_splits(
    ground_truth: Sequence[ImageObjects],
    *,
    seed: int,
    n_images: int | None = None,
    n_per_image: int = 3,
    splits: Sequence[str] = SPLITS,
) -> dict[str, tuple[PopeQuestion, ...]]:
    """Build several POPE splits on the same images, with the same positives.

    Args:
        ground_truth: Images with their ordered objects.
        seed: Seed of the image draw and of every random negative.
        n_images: Images to draw; None takes every image that has enough objects.
        n_per_image: Positives, and as many negatives, per image.
        splits: Any of "random", "popular", "adversarial".

    Returns:
        The questions of each split; see `build_split` for their order.

    Raises:
        ConfigError: If a split is unknown or a number is below 1.
        DataError: If too few images have enough objects, or no absent object is left to ask for.
    """
    selected = select_images(ground_truth, seed=seed, n_images=n_images, n_per_image=n_per_image)
    return {split: build_split(selected, split=split, seed=seed, n_per_image=n_per_image) for split in splits}


def select_images(
    ground_truth: Sequence[ImageObjects], *, seed: int, n_images: int | None = None, n_per_image: int = 3
) -> tuple[ImageObjects, ...]:
    """Draw the images of a benchmark.

    Args:
        ground_truth: Images with their ordered objects.
        seed: Seed of the draw.
        n_images: Images to draw without replacement; None takes every image that has enough objects.
        n_per_image: Objects that an image needs to be eligible.

    Returns:
        The drawn images, in the order of the input.

    Raises:
        ConfigError: If a number is below 1.
        DataError: If too few images are eligible, or an image repeats or lists an object twice.
    """
    for name, value in (("n_images", n_images), ("n_per_image", n_per_image)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}; expected at least 1")
    _check_unique(ground_truth)
    eligible = [entry for entry in ground_truth if len(entry.objects) >= n_per_image]
    wanted = max(1, len(eligible)) if n_images is None else n_images
    if wanted > len(eligible):
        raise DataError(
            f"{len(eligible)} of {len(ground_truth)} images have at least {n_per_image} objects but {wanted} "
            "are needed; lower n_images or n_per_image, or give more images"
        )
    drawn = sorted(random.Random(f"images/{seed}").sample(range(len(eligible)), wanted))
    return tuple(eligible[index] for index in drawn)


def build_split(
    selected: Sequence[ImageObjects], *, split: str, seed: int, n_per_image: int = 3
) -> tuple[PopeQuestion, ...]:
    """Build one split on images already selected.

    Each of the first `n_per_image` objects of an image is asked, followed by one absent object: drawn
    uniformly from all objects of the selection ("random"), the most frequent one ("popular"), or the one most
    often seen together with the positive just asked ("adversarial"). No object is asked twice for one image;
    counts are over the selection only and ties go to the object seen first; an exhausted ranking falls back
    to a random draw.

    Args:
        selected: Images with their ordered objects, each with at least `n_per_image`.
        split: "random", "popular" or "adversarial".
        seed: Seed of the random draws of this split.
        n_per_image: Positives, and as many negatives, per image.

    Returns:
        2 * n_per_image questions per image, yes and no alternating, numbered from 1.

    Raises:
        ConfigError: If the split is unknown.
        DataError: If an image has too few objects or no absent object is left to ask for.

    Source: https://github.com/AoiDragon/POPE (main.py, utils.py); POPE, Sec. 4.
    """
    if split not in SPLITS:
        raise ConfigError(unknown_name("POPE split", split, SPLITS))
    _check_unique(selected)
    sampler = _NegativeSampler(selected, split, random.Random(f"{split}/{seed}"))
    questions: list[PopeQuestion] = []
    for entry in selected:
        if len(entry.objects) < n_per_image:
            raise DataError(
                f"image {entry.image!r} has {len(entry.objects)} objects, {n_per_image} are needed"
            )
        excluded = set(entry.objects)
        for positive in entry.objects[:n_per_image]:
            negative = sampler.draw(entry, positive, excluded)
            excluded.add(negative)
            questions.append(_question(len(questions) + 1, entry.image, positive, "yes", split))
            questions.append(_question(len(questions) + 1, entry.image, negative, "no", split))
    return tuple(questions)


def question_text(name: str) -> str:
    """Ask for an object the way POPE does.

    Args:
        name: Name of the object, in the singular.

    Returns:
        "Is there a <name> in the image?", with "an" before a vowel letter.
    """
    article = "an" if name[:1].lower() in {"a", "e", "i", "o", "u"} else "a"
    return f"Is there {article} {name} in the image?"


def to_json_lines(questions: Iterable[PopeQuestion]) -> str:
    """Write questions in POPE's file format.

    Args:
        questions: Questions of one split.

    Returns:
        JSON lines with `question_id`, `image`, `text` and `label`, readable by `read_questions` and by the
        official script.
    """
    keys = ("question_id", "image", "text", "label")
    return "".join(json.dumps({key: getattr(question, key) for key in keys}) + "\n" for question in questions)


class _NegativeSampler:
    """Counts over one selection of images, and the rule by which a split picks an absent object."""

    def __init__(self, selected: Sequence[ImageObjects], split: str, generator: random.Random) -> None:
        self._split = split
        self._generator = generator
        self._frequency: Counter[str] = Counter(name for entry in selected for name in entry.objects)
        self._together: dict[str, Counter[str]] = {name: Counter() for name in self._frequency}
        for entry in selected:
            for name in entry.objects:
                self._together[name].update(other for other in entry.objects if other != name)
        self._popular = _ranked(self._frequency)
        self._adversarial = {name: _ranked(counts) for name, counts in self._together.items()}

    def draw(self, entry: ImageObjects, positive: str, excluded: set[str]) -> str:
        ranking: Iterable[str] = ()
        if self._split == "popular":
            ranking = self._popular
        elif self._split == "adversarial":
            ranking = self._adversarial[positive]
        best = next((name for name in ranking if name not in excluded), None)
        return best if best is not None else self._draw_random(entry, excluded)

    def _draw_random(self, entry: ImageObjects, excluded: set[str]) -> str:
        absent = [name for name in self._frequency if name not in excluded]
        if not absent:
            raise DataError(
                f"image {entry.image!r}: all {len(self._frequency)} known objects are in it or already asked "
                "for; give more images (n_images in a config), or ask fewer questions per image"
            )
        return self._generator.choice(absent)


def _ranked(counts: Counter[str]) -> list[str]:
    """Names by descending count; the sort is stable, so ties stay in first-seen order."""
    return sorted(counts, key=lambda name: -counts[name])


def _check_unique(ground_truth: Sequence[ImageObjects]) -> None:
    images = Counter(entry.image for entry in ground_truth)
    for entry in ground_truth:
        if images[entry.image] > 1:
            raise DataError(
                f"image {entry.image!r} is listed {images[entry.image]} times; list each image once"
            )
        if len(set(entry.objects)) != len(entry.objects):
            raise DataError(f"image {entry.image!r} lists an object twice: {entry.objects!r}; list each once")


def _question(number: int, image: str, name: str, label: Label, split: str) -> PopeQuestion:
    return PopeQuestion(
        question_id=number, image=image, text=question_text(name), label=label, object=name, split=split
    )
