"""Nouns of an English description, found by rules in place of a part-of-speech tagger."""

from collections.abc import Collection, Sequence
from typing import Final

from scr_lens.metrics.lemma import noun_lemma
from scr_lens.metrics.words import words

_DETERMINERS: Final = frozenset(
    {
        "a",
        "an",
        "the",
        "this",
        "that",
        "one",
        "another",
        "each",
        "its",
        "his",
        "her",
        "their",
        "some",
        "no",
        "any",
    }
)
# Words before a verb in its base form.
_BEFORE_VERB: Final = frozenset(
    {
        *("can", "could", "may", "might", "must", "shall", "should", "will", "would", "cannot", "not", "n't"),
        *("i", "you", "we", "they", "who", "to", "others"),
    }
)
# "next to water" is a place; "to" after another word begins an infinitive.
_BEFORE_PLACE: Final = frozenset(
    {
        "next",
        "close",
        "closer",
        "closest",
        "adjacent",
        "due",
        "similar",
        "connected",
        "attached",
        "according",
        "near",
    }
)
_VERBS_TOO: Final = frozenset(
    {
        *(
            "bear",
            "board",
            "brush",
            "cook",
            "drain",
            "drink",
            "fence",
            "file",
            "fish",
            "ground",
            "leave",
            "light",
        ),
        *(
            "line",
            "lock",
            "lounge",
            "mirror",
            "note",
            "pack",
            "paddle",
            "plug",
            "range",
            "ring",
            "rock",
            "scoop",
        ),
        *(
            "shovel",
            "sign",
            "signal",
            "skate",
            "ski",
            "snack",
            "sound",
            "spray",
            "support",
            "switch",
            "tap",
            "tie",
        ),
        *("train", "warp", "watch", "water"),
    }
)
_ADJECTIVES_TOO: Final = frozenset({"individual", "light", "orange"})
_GERUNDS: Final = frozenset({"drawing", "painting", "sailing"})
_CANS: Final = frozenset({"beer", "garbage", "metal", "paint", "soda", "spray", "tin", "trash", "watering"})
# An adjective is taken for a noun when one of these follows it.
_AFTER_NOUN: Final = frozenset(
    {
        *(
            "and",
            "or",
            "but",
            "is",
            "are",
            "was",
            "were",
            "has",
            "have",
            "can",
            "with",
            "in",
            "on",
            "of",
            "at",
            "to",
        ),
        *(
            "from",
            "for",
            "that",
            "which",
            "who",
            "by",
            "near",
            "sitting",
            "standing",
            "walking",
            "placed",
            "visible",
        ),
        *(
            "scattered",
            "located",
            "gathered",
            "riding",
            "as",
            "while",
            "appears",
            "appear",
            "next",
            "hanging",
        ),
    }
)


def find_nouns(text: str, known: Collection[str]) -> list[str]:
    """Find the nouns of a text that are in a list of words.

    A word counts when its base form is in the list, unless its neighbors show a verb or an adjective ("to
    watch", "can be", "a light color"). The official AMBER script asks the Natural Language Toolkit's tagger
    instead.

    Args:
        text: A description.
        known: The words to look for; as in the original, words with capitals count only as they are written.

    Returns:
        Base forms in order of mention, repeats kept.

    Source: github.com/junyangwang0410/AMBER, inference.py (the task; own rules).
    """
    tokens = words(text)
    bases = [noun_lemma(token) for token in tokens]
    return [base for i, base in enumerate(bases) if base in known and _is_noun(base, tokens, i)]


def _is_noun(base: str, tokens: Sequence[str], position: int) -> bool:
    word = tokens[position]
    before = tokens[position - 1].lower() if position else ""
    after = tokens[position + 1].lower() if position + 1 < len(tokens) else ""
    if base == "hot" or base == "can":
        return base == "can" and (before in _DETERMINERS | _CANS or word != base)
    if base in _GERUNDS and word == base:
        return (
            before in _DETERMINERS
            or not before.isalpha()
            or after in ("of", "on", "hanging", "with", ".", ",")
        )
    if base in _ADJECTIVES_TOO and word == base and after.isalpha() and after not in _AFTER_NOUN:
        return False
    return not (base in _VERBS_TOO and word == base and _calls_for_verb(before, tokens, position))


def _calls_for_verb(before: str, tokens: Sequence[str], position: int) -> bool:
    if before == "to":
        return position < 2 or tokens[position - 2].lower() not in _BEFORE_PLACE
    return before in _BEFORE_VERB
