"""Pairs of words that name one thing, and how they are joined before objects are looked up."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

ANIMALS: Final = (
    *("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"),
    *("animal", "cub"),
)
VEHICLES: Final = ("jet", "train")

# "home plate" and "train track" name no object: joining them keeps "plate" and "train" from being counted.
_KEPT: Final = (
    *("motor bike", "motor cycle", "air plane", "traffic light", "street light", "traffic signal"),
    *("stop light", "fire hydrant", "stop sign", "parking meter", "suit case", "sports ball"),
    *("baseball bat", "baseball glove", "tennis racket", "wine glass", "hot dog", "cell phone"),
    *("mobile phone", "teddy bear", "hair drier", "potted plant", "laptop computer"),
    *("home plate", "train track"),
)
_REPLACED: Final = {"bow tie": "tie", "toilet seat": "toilet", "wine glas": "wine glass"}


def _table() -> Mapping[str, str]:
    table = {pair: pair for pair in _KEPT}
    table |= {f"{age} {animal}": animal for animal in ANIMALS for age in ("baby", "adult")}
    table |= {f"passenger {vehicle}": vehicle for vehicle in VEHICLES}
    return table | _REPLACED


DOUBLE_WORDS: Final[Mapping[str, str]] = _table()


def join_double_words(words: Sequence[str]) -> list[tuple[int, str]]:
    """Join the pairs of neighboring words that name one thing, from left to right, each word used once.

    Args:
        words: Lower-case singular words in order.

    Returns:
        Pairs of the position of the (first) word in `words` and the joined word, in order: as long as `words`
        when nothing was joined, and at least half as long.

    Source: CHAIR's script, github.com/LisaAnne/Hallucination, utils/chair.py.
    """
    return list(_joined(words))


def _joined(words: Sequence[str]) -> Iterator[tuple[int, str]]:
    position = 0
    while position < len(words):
        pair = " ".join(words[position : position + 2])
        joined = DOUBLE_WORDS.get(pair)
        yield position, words[position] if joined is None else joined
        position += 1 if joined is None else 2
