"""POPE: on the rendered world, and from the official question files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, get_args

from scr_lens.analysis.records import LABELS
from scr_lens.benchmarks import SPLITS, read_questions, resolve_image
from scr_lens.errors import ConfigError, DataError, unknown_name
from scr_lens.json_records import read_records
from scr_lens.measurement import Measurement, YesNoAnswers
from scr_lens.organisms.canvas import SQUARE, Canvas
from scr_lens.organisms.world import Split
from scr_lens.questions import Question, about_first_images
from scr_lens.tasks.base import require_choices, require_count, require_folder, require_text
from scr_lens.world_benchmark import to_questions, world_pope


@dataclass(frozen=True, kw_only=True)
class PopeWorld:
    """POPE on rendered scenes, for the organisms.

    Args:
        split: Scenes: "train", "validation" or "test".
        n_images: Pictures, over which objects are counted for popular and adversarial questions.
        asked_images: Ask only about the first so many of them; None asks about all.
        negatives: POPE splits: any of "random", "popular", "adversarial".
        labels: Ask only the questions with these right answers; ("no",) are those about absent objects, which
            the hallucination rate is made of. Accuracy needs both.
        canvases: Sizes of the pictures, which take turns; None takes those that the model was trained on.
        folder: Where pictures and annotations are kept; rendered when missing.

    Raises:
        ConfigError: If a value is not allowed.
    """

    name: ClassVar[str] = "pope-world"
    places: ClassVar[frozenset[str]] = frozenset({"folder"})

    split: Split = "test"
    n_images: int = 500
    asked_images: int | None = None
    negatives: tuple[str, ...] = SPLITS
    labels: tuple[str, ...] = LABELS
    canvases: tuple[Canvas, ...] | None = None
    folder: str = "data/world"

    def __post_init__(self) -> None:
        require_scenes(self.split)
        require_count("n_images", self.n_images)
        require_count("asked_images", self.asked_images, optional=True)
        if self.asked_images is not None and self.asked_images > self.n_images:
            raise ConfigError(
                f"benchmark.asked_images is {self.asked_images} of n_images {self.n_images}; "
                "give at most as many"
            )
        require_choices("negatives", self.negatives, SPLITS)
        require_choices("labels", self.labels, LABELS)
        require_canvases(self.canvases)
        require_text("folder", self.folder)

    @property
    def measurement(self) -> Measurement:
        """Yes or no."""
        return YesNoAnswers()

    def questions(self, seed: int) -> tuple[Question, ...]:
        """Renders what is missing and builds the questions, see `world_pope`; square without canvases."""
        questions = world_pope(
            self.split,
            self.n_images,
            Path(self.folder),
            seed=seed,
            negatives=self.negatives,
            canvases=self.canvases or (SQUARE,),
        )
        asked = about_first_images(questions, self.asked_images)
        return tuple(question for question in asked if question.label in self.labels)


@dataclass(frozen=True, kw_only=True)
class Pope:
    """POPE from the official question files, of any generation.

    Args:
        files: Question files; the split is told from each file's name.
        images: Folder of the images.
        suffix: Text put after every question, such as a request for one word; part of the result.
        n_images: Only the first so many images of the files; None takes all.

    Raises:
        ConfigError: If a value is not allowed.
    """

    name: ClassVar[str] = "pope"
    places: ClassVar[frozenset[str]] = frozenset({"files", "images"})

    files: tuple[str, ...]
    images: str
    suffix: str = ""
    n_images: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.files, tuple) or not self.files:
            raise ConfigError(f"benchmark.files is {self.files!r}; give a list of POPE question files")
        for file in self.files:
            require_text("files", file)
        require_text("images", self.images)
        if not isinstance(self.suffix, str):
            raise ConfigError(f"benchmark.suffix is {self.suffix!r}; give text in quotes")
        require_count("n_images", self.n_images, optional=True)

    @property
    def measurement(self) -> Measurement:
        """Yes or no."""
        return YesNoAnswers()

    def questions(self, seed: int) -> tuple[Question, ...]:
        """Reads the files; nothing is drawn."""
        del seed
        images = require_folder("images", self.images)
        asked = [question for file in self.files for question in read_questions(file)]
        for file in self.files:
            _require_images(file, images)
        return about_first_images(to_questions(asked, images, suffix=self.suffix), self.n_images)


def _require_images(file: str, images: Path) -> None:
    """Refuses a question file with an image that is not there, by line."""
    for record in read_records(file):
        try:
            resolve_image(images, record.text("image"))
        except DataError as error:
            raise DataError(f"{record.place}: {error}") from error


def require_canvases(canvases: object) -> None:
    """Refuses what is neither None nor a list of distinct sizes.

    Raises:
        ConfigError: If it is not.
    """
    if canvases is None:
        return
    sizes = canvases if isinstance(canvases, tuple) else ()
    if not sizes or len(set(sizes)) != len(sizes) or not all(isinstance(size, Canvas) for size in sizes):
        raise ConfigError(
            f"benchmark.canvases is {canvases!r}; give a list of distinct sizes such as ['96x96', '80x112'], "
            "or leave it out for the model's own"
        )


def require_scenes(split: object) -> None:
    """Refuses what is not a split of the world.

    Raises:
        ConfigError: Naming the closest split.
    """
    if split not in get_args(Split):
        raise ConfigError(unknown_name("benchmark.split value", split, get_args(Split)))
