"""Base forms of English words as WordNet gives them, for the words that CHAIR and AMBER look up.

WordNet itself is not needed: the general rules of English plurals are applied, and the places where WordNet
answers otherwise for one of those words are listed. Where the originals ask a part-of-speech tagger, a rule
on the form and its neighbors decides.
"""

from collections.abc import Sequence
from typing import Final

_PLURALS: Final = {
    **{"children": "child", "grandchildren": "grandchild", "geese": "goose", "mice": "mouse", "oxen": "ox"},
    **{
        "knives": "knife",
        "pocketknives": "pocketknife",
        "calves": "calf",
        "thieves": "thief",
        "wolves": "wolf",
    },
    **{
        "leaves": "leaf",
        "loaves": "loaf",
        "shelves": "shelf",
        "bookshelves": "bookshelf",
        "scarves": "scarf",
    },
    **{"feet": "foot", "teeth": "tooth", "skis": "ski", "taxis": "taxi", "kiwis": "kiwi"},
    **{"doggies": "doggy", "taxies": "taxi", "busses": "bus", "fishes": "fish", "axes": "ax"},
    # WordNet has "men" as a word of its own and takes "vas" for the singular of "vases".
    **{"men": "men", "vases": "vas"},
}
_ENDING_IN_IE: Final = frozenset(
    {
        *("ties", "neckties", "bowties", "pies", "magpies", "collies", "cookies", "brownies", "smoothies"),
        *("movies", "zombies", "birdies", "hoodies", "selfies", "calories", "lies", "dies"),
    }
)
_ENDING_IN_OE: Final = frozenset({"canoes", "shoes", "horseshoes", "snowshoes", "toes", "hoes", "does"})
_NOT_PLURAL_OF_MAN: Final = frozenset({"men", "specimen", "regimen", "abdomen", "omen", "semen", "acumen"})
_SAME_IN_PLURAL: Final = frozenset({"scissors", "clothes", "series", "species", "news"})
# WordNet lacks these nouns, so their plurals stay as they are.
_NOT_IN_WORDNET: Final = frozenset(
    {
        *(
            "biker",
            "bluejay",
            "brindle",
            "coworker",
            "firetruck",
            "hairdryer",
            "lenovo",
            "longboard",
            "macbook",
        ),
        *(
            "netbook",
            "paddleboat",
            "pitbull",
            "riverboat",
            "sailboard",
            "shortboard",
            "skimboard",
            "smartphone",
        ),
        *("solider", "stovetop", "teddybear", "televison"),
        *("bedsheet", "baconic", "closestool", "cooktop", "e-book", "ebook", "electrombile", "kiwifruit"),
        *("paraglider", "pissoir", "sanitizer", "seegull", "streetlamp", "showerpuff"),
    }
)
# Names of CHAIR's objects that are verbs as well.
_VERBS: Final = frozenset(
    {
        *(
            "backpack",
            "ball",
            "bear",
            "bench",
            "bicycle",
            "bike",
            "boat",
            "book",
            "bottle",
            "bow",
            "bowl",
            "bus",
        ),
        *("cake", "canoe", "chair", "clock", "cop", "couch", "cow", "crow", "cup", "doctor", "dog", "duck"),
        *("father", "ferry", "fork", "groom", "horse", "jet", "kayak", "kid", "kite", "man", "microwave"),
        *(
            "monitor",
            "mother",
            "motorbike",
            "motorcycle",
            "parrot",
            "phone",
            "plane",
            "ram",
            "sandwich",
            "seat",
        ),
        *(
            "ship",
            "sink",
            "skateboard",
            "ski",
            "snowboard",
            "spoon",
            "surfboard",
            "table",
            "taxi",
            "telephone",
        ),
        *("tie", "train", "truck", "yacht"),
    }
)
_VERB_FORMS: Final = {
    **{"tied": "tie", "tying": "tie", "skied": "ski", "sank": "sink", "sunk": "sink", "sunken": "sink"},
    **{"born": "bear", "borne": "bear", "bore": "bear", "ferried": "ferry", "taxied": "taxi"},
}
_NOUNS_IN_ING: Final = frozenset({"seating", "training", "shipping", "boating", "kayaking", "grooming"})
# After one of these a verb form is a noun or adjective ("a skiing trip") and keeps its ending.
_BEFORE_NOUN: Final = frozenset(
    {"a", "an", "the", "this", "that", "its", "his", "her", "their", "some", "no", "of"}
)


def noun_lemma(noun: str) -> str:
    """Give the base form of a noun, as WordNet's lemmatizer does.

    Args:
        noun: A word; one with capital letters is returned as it is, since WordNet's lemmatizer knows none.

    Returns:
        The singular; the word itself when it is one, or when WordNet does not know the noun.

    Source: https://wordnet.princeton.edu/documentation/morphy7wn
    """
    if noun != noun.lower() or noun in _SAME_IN_PLURAL:
        return noun
    singular = _PLURALS.get(noun) or _without_ending(noun)
    return noun if singular in _NOT_IN_WORDNET else singular


def verb_lemma(form: str) -> str | None:
    """Give the verb behind an -ed or -ing form, if it is also the name of one of CHAIR's objects.

    Args:
        form: A lower-case word, such as "seated".

    Returns:
        The verb, such as "seat"; None when the word is no such form.

    Source: https://wordnet.princeton.edu/documentation/morphy7wn
    """
    if form in _NOUNS_IN_ING:
        return None
    if form in _VERB_FORMS:
        return _VERB_FORMS[form]
    for ending in ("ed", "ing"):
        stem = form.removesuffix(ending)
        if stem != form:
            single = stem[:-1] if stem[-2:-1] == stem[-1:] else stem
            return next((verb for verb in (f"{stem}e", stem, single) if verb in _VERBS), None)
    return None


def lemmas(words: Sequence[str]) -> list[str]:
    """Give the base form of every word of a caption, as the noun or verb it is in its sentence.

    Args:
        words: Lower-case words and punctuation marks of one caption, in order.

    Returns:
        As many words as were given; words that are neither plural nouns nor verb forms of an object's name
        unchanged.
    """
    return [_lemma_in(words, position) for position in range(len(words))]


def _lemma_in(words: Sequence[str], position: int) -> str:
    word = words[position]
    verb = verb_lemma(word)
    if verb is None:
        return noun_lemma(word)
    before = words[position - 1] if position else ""
    return word if before in _BEFORE_NOUN else verb


def _without_ending(noun: str) -> str:
    if noun.endswith("men") and noun not in _NOT_PLURAL_OF_MAN:
        return noun.removesuffix("men") + "man"
    if not noun.endswith("s") or noun.endswith(("ss", "us", "is")) or len(noun) < 3:
        return noun
    if noun.endswith("ies"):
        return noun[:-1] if noun in _ENDING_IN_IE else noun[:-3] + "y"
    return noun[:-2] if _takes_es(noun) else noun[:-1]


def _takes_es(noun: str) -> bool:
    if noun.endswith("uses"):
        return noun[-5:-4] not in ("o", "a", "u")
    if noun.endswith("oes"):
        return noun not in _ENDING_IN_OE
    return noun.endswith(("sses", "xes", "zzes", "ches", "shes"))
