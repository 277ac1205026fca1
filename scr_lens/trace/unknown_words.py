"""Words of a question that a vocabulary does not have, so that the model is asked something else."""

import logging
import re
import weakref
from collections.abc import Iterable
from typing import Any

logger = logging.getLogger(__name__)

_told: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()
"""Words that were already warned of, by tokenizer."""


def unknown_words(tokenizer: Any, question: str) -> tuple[str, ...]:
    """Words and marks of a question that become the unknown token.

    Args:
        tokenizer: A Hugging Face tokenizer.
        question: Text without special tokens.

    Returns:
        The words as they are written, each once; () for a tokenizer that can spell anything.
    """
    unknown = tokenizer.unk_token_id
    if unknown is None or unknown not in _ids(tokenizer, question):
        return ()
    words = dict.fromkeys(re.findall(r"\w+|[^\w\s]", question))
    return tuple(word for word in words if unknown in _ids(tokenizer, word))


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def caution(words: Iterable[str]) -> str:
    """What a reader of an answer has to know about its question; empty if every word is known."""
    listed = ", ".join(map(repr, words))
    return f"The model does not know {listed}: it reads the unknown token instead." if listed else ""


def warn_of_unknown_words(tokenizer: Any, questions: Iterable[str | None], token_ids: Any) -> None:
    """Log a warning for every unknown word, once per tokenizer.

    Args:
        tokenizer: A Hugging Face tokenizer.
        questions: Questions; None where a sample has a whole prompt of its own.
        token_ids: Their encoding; where it holds no unknown token, nothing is looked at.
    """
    if tokenizer.unk_token_id is None or not bool((token_ids == tokenizer.unk_token_id).any()):
        return
    told = _told.setdefault(tokenizer, set())
    for question in questions:
        new = [word for word in unknown_words(tokenizer, question or "") if word not in told]
        told.update(new)
        if new:
            logger.warning("%s Asked: %r", caution(new), question)
