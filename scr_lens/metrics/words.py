"""English words and punctuation marks, split the way the official caption scripts split them."""

import re
from typing import Final

# Full stops that belong to the word before them even when a space follows.
ABBREVIATIONS: Final = frozenset(
    {
        "mr",
        "mrs",
        "ms",
        "dr",
        "st",
        "jr",
        "sr",
        "vs",
        "etc",
        "e.g",
        "i.e",
        "a.m",
        "p.m",
        "u.s",
        "inc",
        "co",
        "corp",
    }
)

_APART: Final = re.compile(r"\.{2,}|--+|[;@#$%&?!\[\](){}<>\"`\u00ab\u00bb\u2018-\u201e\u2026]|[:,](?!\d)")
_CLITIC: Final = re.compile(r"(?<=[^\s'])('(?:s|m|d|ll|re|ve)|n't|')(?=\s)", re.IGNORECASE)
_SENTENCE_END: Final = re.compile(r"(?<=\S)\.(?=(?:\s+(?:''|[\])}>\"'\u00bb\u201d\u2019]))*(?:\s|$))")


def words(text: str) -> list[str]:
    """Split a text into words and punctuation marks.

    The splitting is that of the Treebank convention as the Natural Language Toolkit applies it after finding
    sentences: punctuation stands alone, "woman's" becomes "woman" and "'s", a full stop is cut off at the end
    of a sentence and stays inside numbers and abbreviations. The case of the letters is kept.

    Args:
        text: Any text; line breaks count as spaces.

    Returns:
        The words and marks in order; empty for a text without any.

    Source: https://www.nltk.org/api/nltk.tokenize.treebank.html (the convention; the code is our own).
    """
    spaced = _APART.sub(r" \g<0> ", text) + " "
    spaced = _CLITIC.sub(r" \1", spaced)
    return _SENTENCE_END.sub(_cut_stop, spaced).split()


def _cut_stop(match: re.Match[str]) -> str:
    before = match.string[: match.start()].rsplit(None, 1)[-1]
    keeps = before.lower() in ABBREVIATIONS or before.endswith(".")
    return "." if keeps else " ."
