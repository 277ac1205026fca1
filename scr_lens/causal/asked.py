"""What the causal tests ask: adversarial POPE questions about rendered scenes, and the scenes themselves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scr_lens.organisms.canvas import SQUARE, Canvas
from scr_lens.organisms.world import Split
from scr_lens.pictures import read_image
from scr_lens.questions import Question
from scr_lens.trace import Batch, Lens, Sample, encode_images
from scr_lens.world_benchmark import canvases_of, world_pope

POOL = 500
"""Pictures that the questions are drawn from, as many as the demo has."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Questions and scenes of a test.

    Attributes:
        questions: Yes/no questions about image files, image by image.
        split: Split of the scenes.
        canvases: Sizes of pictures that the model was trained on.
        seed: Seed of every draw.
    """

    questions: tuple[Question, ...]
    split: Split
    canvases: tuple[Canvas, ...] = (SQUARE,)
    seed: int = 0

    @classmethod
    def of_world(cls, lens: Lens, split: Split, pool: int, folder: Path, *, seed: int = 0) -> Asked:
        """The adversarial questions about a pool of rendered scenes.

        Args:
            lens: The model, for the sizes of its pictures.
            split: Which scenes.
            pool: Pictures.
            folder: Where pictures and annotations are kept; rendered when missing.
            seed: Seed of every draw.

        Returns:
            All adversarial questions of the pool.
        """
        canvases = canvases_of(lens)
        asked = world_pope(split, pool, folder, seed=seed, negatives=("adversarial",), canvases=canvases)
        return cls(questions=asked, split=split, canvases=canvases, seed=seed)

    def images(self, count: int, purpose: str) -> tuple[Question, ...]:
        """The questions about some of the images, drawn at random.

        Args:
            count: Images; all of them if there are not so many.
            purpose: Draws for different purposes differ.

        Returns:
            Their questions, in the order of `questions`.
        """
        names = list(dict.fromkeys(question.image_id for question in self.questions))
        drawn = set(random.Random(f"{purpose}/{self.seed}").sample(names, min(count, len(names))))
        return tuple(question for question in self.questions if question.image_id in drawn)

    def one_per_image(self, count: int, purpose: str) -> tuple[Question, ...]:
        """One question about each of some images, alternating present and absent objects where possible.

        Args:
            count: Images.
            purpose: Draws for different purposes differ.

        Returns:
            One question per image.
        """
        by_image: dict[str, list[Question]] = {}
        for question in self.images(count, purpose):
            by_image.setdefault(question.image_id, []).append(question)
        picked = []
        for number, (name, questions) in enumerate(sorted(by_image.items())):
            wanted = [q for q in questions if q.label == ("no", "yes")[number % 2]] or questions
            picked.append(random.Random(f"{purpose}/{self.seed}/{name}").choice(wanted))
        return tuple(picked)


def to_batch(lens: Lens, questions: Sequence[Question]) -> tuple[Batch, tuple[str, ...]]:
    """Prepare questions about image files, each file read once.

    Args:
        lens: The model.
        questions: Questions of one chunk.

    Returns:
        The batch with its image features, and a key per sample for the seeds of random controls.

    Raises:
        DataError: If an image cannot be read.
    """
    read = cache(read_image)
    files = [read(question.image) for question in questions]
    samples = [
        Sample(image, question=question.text, image_id=question.image_id)
        for (image, _), question in zip(files, questions, strict=True)
    ]
    batch = encode_images(lens, lens.prepare(samples))
    keys = tuple(f"{sha}/{prompt}" for (_, sha), prompt in zip(files, batch.prompts, strict=True))
    return batch, keys


def asked_columns(question: Question) -> dict[str, object]:
    """The columns that name a question in every record."""
    return {
        "image_id": question.image_id,
        "question": question.text,
        "object": question.object,
        "label": question.label,
    }
