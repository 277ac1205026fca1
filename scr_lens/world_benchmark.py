"""POPE on the rendered world: scenes on disk, COCO annotations, the official question rules."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from scr_lens.benchmarks import (
    PopeQuestion,
    build_splits,
    deduplicate,
    image_objects,
    read_instances,
    resolve_image,
)
from scr_lens.organisms.export import export_world
from scr_lens.organisms.world import Split
from scr_lens.questions import Question

SPARE = 0.03
"""Scenes rendered beyond the wanted number, since about one in a hundred shows fewer than three objects."""


def world_pope(split: Split, n_images: int, folder: Path, *, seed: int = 0) -> tuple[Question, ...]:
    """Builds the three POPE splits on rendered scenes; (image, object) pairs shared by splits are asked once.

    Args:
        split: Which scenes.
        n_images: Pictures; each is asked about three present and three absent objects per POPE split.
        folder: Where pictures and annotations are kept.
        seed: Seed of the draw of pictures and of random negatives.

    Returns:
        Distinct questions, each naming the POPE splits that ask it.
    """
    files = export_world(split, n_images + math.ceil(SPARE * n_images) + 5, folder)
    truth = image_objects(read_instances(files.instances), order="annotation")
    splits = build_splits(truth, seed=seed, n_images=n_images)
    return to_questions((q for asked in splits.values() for q in asked), files.images)


def to_questions(asked: Iterable[PopeQuestion], images: Path) -> tuple[Question, ...]:
    """POPE questions as a run asks them: one per (image, object), with every occurrence's split.

    Args:
        asked: Questions of one or several splits.
        images: Folder of the image files.

    Returns:
        Distinct questions; a split that asks a pair twice is listed twice, so that scores count both.

    Raises:
        DataError: If an image name leaves the folder.
    """
    return tuple(
        Question(
            image=resolve_image(images, unique.image),
            image_id=unique.image,
            text=unique.text,
            object=unique.object,
            label=unique.label,
            splits=tuple(split for split, _ in unique.occurrences),
        )
        for unique in deduplicate(asked)
    )
