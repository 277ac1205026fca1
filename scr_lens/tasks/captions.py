"""Captions: of rendered scenes, and of any images with COCO annotations."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from scr_lens.benchmarks import CocoImage, read_captions, resolve_image
from scr_lens.errors import DataError
from scr_lens.measurement import Measurement, WrittenAnswers
from scr_lens.organisms.canvas import SQUARE, Canvas
from scr_lens.organisms.export import export_world
from scr_lens.organisms.language import DESCRIBE
from scr_lens.organisms.world import Split
from scr_lens.questions import Question
from scr_lens.tasks.base import require_count, require_folder, require_text
from scr_lens.tasks.pope import require_canvases, require_scenes

ONE_SENTENCE = "Provide a one-sentence caption for the provided image."
"""Prompt of lmms-eval's COCO captions, whose CIDEr is in the range that papers report."""


@dataclass(frozen=True, kw_only=True)
class CaptionsWorld:
    """Captions of rendered scenes.

    Args:
        split: Scenes: "train", "validation" or "test".
        n_images: Pictures, the first of the split.
        prompt: Request for a caption.
        max_new_tokens: Most tokens of a caption.
        canvases: Sizes of the pictures, which take turns; None takes those that the model was trained on.
        folder: Where pictures and annotations are kept; rendered when missing.

    Raises:
        ConfigError: If a value is not allowed.
    """

    name: ClassVar[str] = "captions-world"
    places: ClassVar[frozenset[str]] = frozenset({"folder"})

    split: Split = "test"
    n_images: int = 200
    prompt: str = DESCRIBE[0]
    max_new_tokens: int = 48
    canvases: tuple[Canvas, ...] | None = None
    folder: str = "data/world"

    def __post_init__(self) -> None:
        require_scenes(self.split)
        require_count("n_images", self.n_images)
        require_text("prompt", self.prompt)
        require_count("max_new_tokens", self.max_new_tokens)
        require_canvases(self.canvases)
        require_text("folder", self.folder)

    @property
    def measurement(self) -> Measurement:
        """Written text."""
        return WrittenAnswers(self.max_new_tokens)

    def questions(self, seed: int) -> tuple[Question, ...]:
        """Renders what is missing; nothing is drawn. Pictures are square without canvases."""
        del seed
        files = export_world(self.split, self.n_images, Path(self.folder), self.canvases or (SQUARE,))
        return _requests(read_captions(files.captions).images, files.images, self.prompt)


@dataclass(frozen=True, kw_only=True)
class Captions:
    """Captions of the images of a COCO captions file.

    Args:
        annotations: COCO captions file, of 2014 or 2017 or of one's own making.
        images: Folder of the images.
        prompt: Request for a caption; captions of a sentence and of a paragraph score very differently.
        max_new_tokens: Most tokens of a caption.
        n_images: Images drawn with the run's seed; None takes all.

    Raises:
        ConfigError: If a value is not allowed.
    """

    name: ClassVar[str] = "captions"
    places: ClassVar[frozenset[str]] = frozenset({"annotations", "images"})

    annotations: str
    images: str
    prompt: str = ONE_SENTENCE
    max_new_tokens: int = 64
    n_images: int | None = None

    def __post_init__(self) -> None:
        for name in ("annotations", "images", "prompt"):
            require_text(name, getattr(self, name))
        require_count("max_new_tokens", self.max_new_tokens)
        require_count("n_images", self.n_images, optional=True)

    @property
    def measurement(self) -> Measurement:
        """Written text."""
        return WrittenAnswers(self.max_new_tokens)

    def questions(self, seed: int) -> tuple[Question, ...]:
        """Draws the images and asks for a caption of each.

        Raises:
            DataError: If the annotations name fewer images than wanted, or an image is missing.
        """
        folder = require_folder("images", self.images)
        known = sorted(read_captions(self.annotations).images, key=lambda image: image.id)
        wanted = len(known) if self.n_images is None else self.n_images
        if wanted > len(known):
            raise DataError(f"{self.annotations} names {len(known)} images, n_images is {wanted}; lower it")
        return _requests(random.Random(f"captions/{seed}").sample(known, wanted), folder, self.prompt)


def _requests(images: Sequence[CocoImage], folder: Path, prompt: str) -> tuple[Question, ...]:
    """One request per image, named by its COCO id, which is what official caption files hold."""
    return tuple(
        Question(image=resolve_image(folder, image.file_name), image_id=str(image.id), text=prompt)
        for image in images
    )
