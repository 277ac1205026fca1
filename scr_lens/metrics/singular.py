"""Singular forms of English words, in the two ways that the CHAIR scripts in use make them.

Both are written for the words that CHAIR and AMBER look up. They repeat what the originals do to those words,
the mistakes included ("bus" becomes "bu" in one, "vases" becomes "vas" in the other), because the mistakes
decide which objects are counted.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal, get_args

from scr_lens.errors import ConfigError, unknown_name
from scr_lens.metrics.lemma import lemmas

Singularization = Literal["pattern", "lemma"]

_IRREGULAR: Final = {
    **{"children": "child", "people": "person", "men": "man", "geese": "goose", "oxen": "ox", "kine": "cow"},
    **{"feet": "foot", "teeth": "tooth", "leaves": "leaf", "loaves": "loaf"},
}
_UNCHANGED: Final = ("scissors", "doggies", "collies", "cookies", "news", "series", "species")
# Tried in order; the first ending that fits decides.
_ENDINGS: Final = tuple(
    (re.compile(ending), singular)
    for ending, singular in (
        (r"(shoe)s$", r"\1"),
        (r"(o|bus)es$", r"\1"),
        (r"([ml])ice$", r"\1ouse"),
        (r"(x|ch|ss|sh)es$", r"\1"),
        (r"(m)ovies$", r"\1ovie"),
        (r"([^aeiouy]|qu)ies$", r"\1y"),
        (r"([aeo]l|[lr])ves$", r"\1f"),
        (r"([nlw]i)ves$", r"\1fe"),
        (r"([aeo]ve)s$", r"\1"),
        (r"([^f])ves$", r"\1fe"),
        (r"s$", ""),
    )
)


def singular_words(words: Sequence[str], singularization: Singularization) -> list[str]:
    """Make the words of a caption singular.

    Args:
        words: Lower-case words and punctuation marks of one caption, in order.
        singularization: "pattern": by the ending of each word alone, as the original CHAIR script; "lemma":
            the base form of each word as the noun or verb it is in its sentence, as OPERA's script.

    Returns:
        As many words as were given.

    Raises:
        ConfigError: For another name of a singularization.

    Source: github.com/LisaAnne/Hallucination and github.com/shikiw/OPERA, chair.py.
    """
    if singularization not in get_args(Singularization):
        raise ConfigError(unknown_name("singularization", singularization, get_args(Singularization)))
    return [pattern_singular(word) for word in words] if singularization == "pattern" else lemmas(words)


def pattern_singular(word: str) -> str:
    """Make one word singular by its ending, blind to context, as the original CHAIR script does.

    Args:
        word: A lower-case word.

    Returns:
        The singular: "buses" gives "bus", but also "bus" gives "bu" and "ties" gives "ty".

    Source: github.com/clips/pattern, pattern.en.singularize (its behavior on CHAIR's vocabulary; own rules).
    """
    if word == "is" or word.endswith(_UNCHANGED):
        return word
    for plural, singular in _IRREGULAR.items():
        if word.endswith(plural):
            return word.removesuffix(plural) + singular
    for ending, singular in _ENDINGS:
        if ending.search(word):
            return ending.sub(singular, word)
    return word
