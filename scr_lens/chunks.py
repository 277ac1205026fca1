"""Which questions go through the model together, and how several processes divide them.

A *chunk* is what one batch asks: all questions of a few images. Chunks are cut before they are divided, so a
question always meets the same neighbors in its batch, and a run in parts gives the rows of a run in one piece
to the last bit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from scr_lens.errors import ConfigError
from scr_lens.questions import Question

T = TypeVar("T")
Chunk = tuple[Question, ...]


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of a run.

    Args:
        index: Number of the part, from 1.
        count: Number of parts.

    Raises:
        ConfigError: If the index is not within 1 to count.

    Examples:
        >>> Shard.parse("2/3").of(["a", "b", "c", "d", "e"])
        ['b', 'e']
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise ConfigError(f"shard {self}: give i/n with i from 1 to n, such as 1/4")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Reads a shard written as "i/n".

        Raises:
            ConfigError: If the text has another form.
        """
        match = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        if match is None:
            raise ConfigError(f"cannot read the shard {text!r}; write i/n, such as 1/4")
        return cls(int(match[1]), int(match[2]))

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """The shard's items: every n-th, so that parts are alike; all shards together have each item once."""
        return items[self.index - 1 :: self.count]

    @property
    def writer(self) -> str:
        """Name under which the shard writes to the store."""
        return "main" if self.count == 1 else f"part-{self.index}-of-{self.count}"


WHOLE = Shard(1, 1)
"""The only shard of an undivided run."""


def chunk_size(batch_size: int, *, texts: bool) -> int:
    """Most questions of a chunk.

    Args:
        batch_size: Questions per pass.
        texts: Whether answers are texts; one takes as long as tens of questions with a one-token answer.

    Returns:
        The batch size; half of it for texts, so that a stage of few long rows can be divided among
        processes and shows early how far it is.
    """
    return -(-batch_size // 2) if texts else batch_size


def whole_image_chunks(questions: Sequence[Question], size: int) -> tuple[Chunk, ...]:
    """Cuts questions into chunks that keep the questions of an image together.

    Args:
        questions: Any questions.
        size: Most questions of a chunk, at least 1; an image with more is cut.

    Returns:
        Chunks in the order of image names, an image's questions in the order of their text.

    Raises:
        ConfigError: If the size is below 1.
    """
    if size < 1:
        raise ConfigError(f"batch_size is {size}; give at least 1")
    chunks: list[Chunk] = []
    for group in _pieces(questions, size):
        if chunks and len(chunks[-1]) + len(group) <= size:
            chunks[-1] += group
        else:
            chunks.append(group)
    return tuple(chunks)


def _pieces(questions: Sequence[Question], size: int) -> list[Chunk]:
    by_image: dict[str, list[Question]] = {}
    for question in sorted(questions, key=lambda q: (q.image_id, q.text)):
        by_image.setdefault(question.image_id, []).append(question)
    return [
        tuple(group[start : start + size])
        for group in by_image.values()
        for start in range(0, len(group), size)
    ]
