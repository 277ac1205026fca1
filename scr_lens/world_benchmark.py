"""POPE on the rendered world: scenes on disk, COCO annotations, the official question rules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from scr_lens.benchmarks import (
    SPLITS,
    PopeQuestion,
    build_splits,
    deduplicate,
    image_objects,
    read_instances,
    resolve_image,
)
from scr_lens.organisms.canvas import SQUARE, Canvas
from scr_lens.organisms.export import export_world
from scr_lens.organisms.recipe import RECIPES
from scr_lens.organisms.world import Split
from scr_lens.questions import Question
from scr_lens.trace import Lens

SPARE = 0.03
"""Scenes rendered beyond the wanted number, since about one in a hundred shows fewer than three objects."""


def canvases_of(lens: Lens) -> tuple[Canvas, ...]:
    """Sizes of the pictures that a model is asked about on the world.

    Args:
        lens: The model.

    Returns:
        Those that an organism was trained on, named by its config; square ones for any other model.
    """
    recipe = RECIPES.get(str(getattr(lens.config, "scr_lens_organism", None)))
    return recipe.canvases if recipe is not None else (SQUARE,)


def world_pope(
    split: Split,
    n_images: int,
    folder: Path,
    *,
    seed: int = 0,
    negatives: Sequence[str] = SPLITS,
    canvases: tuple[Canvas, ...] = (SQUARE,),
) -> tuple[Question, ...]:
    """Builds the POPE splits on rendered scenes; (image, object) pairs shared by splits are asked once.

    Args:
        split: Which scenes.
        n_images: Pictures; each is asked about three present and three absent objects per POPE split.
        folder: Where pictures and annotations are kept.
        seed: Seed of the draw of pictures and of random negatives.
        negatives: Which POPE splits: any of "random", "popular", "adversarial".
        canvases: Sizes of the pictures; those that the organism was trained on.

    Returns:
        Distinct questions, each naming the POPE splits that ask it.
    """
    files = export_world(split, scenes_for(n_images), folder, canvases)
    truth = image_objects(read_instances(files.instances), order="annotation")
    splits = build_splits(truth, seed=seed, n_images=n_images, splits=negatives)
    return to_questions((q for asked in splits.values() for q in asked), files.images)


def scenes_for(n_images: int) -> int:
    """Scenes that `world_pope` renders for a number of pictures.

    Args:
        n_images: Pictures wanted.

    Returns:
        The number with its spares.
    """
    return n_images + math.ceil(SPARE * n_images) + 5


def to_questions(asked: Iterable[PopeQuestion], images: Path, *, suffix: str = "") -> tuple[Question, ...]:
    """POPE questions as a run asks them: one per (image, object), with every occurrence's split.

    Args:
        asked: Questions of one or several splits.
        images: Folder of the image files.
        suffix: Text put after every question.

    Returns:
        Distinct questions; a split that asks a pair twice is listed twice, so that scores count both.

    Raises:
        DataError: If an image name leaves the folder.
    """
    return tuple(
        Question(
            image=resolve_image(images, unique.image),
            image_id=unique.image,
            text=unique.text + suffix,
            object=unique.object,
            label=unique.label,
            splits=tuple(split for split, _ in unique.occurrences),
        )
        for unique in deduplicate(asked)
    )
