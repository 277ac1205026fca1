"""Caption tokens as CIDEr counts them: Penn Treebank words in lower case, without punctuation."""

import re
from typing import Final

# The marks that the caption evaluation drops. Brackets stay, as the words below: the original's list spells
# them in capitals, which never match lower-case tokens.
PUNCTUATION: Final = frozenset({"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"})
_BRACKETS: Final = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_ABBREVIATIONS: Final = (
    *(r"[a-z]\.(?:[a-z]\.?)*(?![^\W_])", r"(?:mrs?|ms|dr|st|jr|sr|vs|etc|inc|co|corp|ave|blvd|rd|ft|ky)\."),
)
_SPLIT_IN_TWO: Final = {
    **{"cannot": "can not", "gonna": "gon na", "gotta": "got ta", "wanna": "wan na", "gimme": "gim me"},
    **{"lemme": "lem me", "'tis": "'t is", "'twas": "'t was"},
}
_TOKEN: Final = re.compile(
    "|".join(
        (
            r"https?://\S+|[\w.+-]+@[\w-]+\.[\w.]+",
            *_ABBREVIATIONS,
            r"\d+(?:[.,:/]\d+)+",
            r"[a-z]+(?=n't\b)|n't\b",
            r"'(?:s|m|d|ll|re|ve)\b",
            r"[^\W_]+(?:(?:[-/.&_]|'(?!(?:s|m|d|ll|re|ve|t)\b))[^\W_]+)*(?:'t\b)?",
            r"``|''|-+|\.+",
            r"\S",
        )
    )
)


def caption_tokens(caption: str) -> list[str]:
    """Split a caption into the tokens that CIDEr counts.

    Args:
        caption: A caption; line breaks count as spaces.

    Returns:
        Lower-case tokens without punctuation marks; empty for a caption without words.

    Source: Stanford's PTBTokenizer as the COCO caption evaluation calls it (own rules, no Java).
    """
    tokens = (token for chunk in caption.lower().split() for token in _tokens(chunk))
    return [token for token in tokens if token not in PUNCTUATION and token.strip(".")]


def _tokens(chunk: str) -> list[str]:
    plain = chunk.translate(_QUOTES)
    found: list[str] = []
    for token in _TOKEN.findall(plain):
        found.extend(_SPLIT_IN_TWO.get(token, _BRACKETS.get(token, token)).split())
    return found


_QUOTES: Final = str.maketrans(
    {
        **{"\u2013": "--", "\u2014": "--", "\u2026": "...", "\u2019": "'", "\u2018": "`"},
        **{"\u201c": "``", "\u201d": "''", '"': "''"},
    }
)
