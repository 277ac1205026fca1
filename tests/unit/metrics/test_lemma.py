import pytest

from scr_lens.metrics.lemma import lemmas, noun_lemma, verb_lemma


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        *(("dogs", "dog"), ("benches", "bench"), ("buses", "bus"), ("houses", "house"), ("horses", "horse")),
        *(("glasses", "glass"), ("boxes", "box"), ("puppies", "puppy"), ("ties", "tie"), ("canoes", "canoe")),
        *(("potatoes", "potato"), ("knives", "knife"), ("women", "woman"), ("policemen", "policeman")),
        *(("mice", "mouse"), ("children", "child"), ("leaves", "leaf"), ("skis", "ski"), ("gloves", "glove")),
    ],
)
def test_plurals(plural: str, singular: str) -> None:
    assert noun_lemma(plural) == singular
    assert noun_lemma(singular) == singular


@pytest.mark.parametrize(
    "word", ["bus", "glass", "tennis", "scissors", "people", "specimen", "is", "as", "Dogs", "TVs"]
)
def test_words_that_stay(word: str) -> None:
    assert noun_lemma(word) == word


def test_answers_of_wordnet_that_lose_objects_are_kept() -> None:
    assert noun_lemma("men") == "men"
    assert noun_lemma("vases") == "vas"
    assert noun_lemma("smartphones") == "smartphones"


@pytest.mark.parametrize(
    ("form", "verb"),
    [
        *(("seated", "seat"), ("tied", "tie"), ("skiing", "ski"), ("biking", "bike"), ("cupped", "cup")),
        *(("skateboarding", "skateboard"), ("sunk", "sink"), ("crowded", None), ("tiered", None)),
        *(("sitting", None), ("seating", None), ("bed", None), ("ring", None), ("dog", None)),
    ],
)
def test_verb_forms(form: str, verb: str | None) -> None:
    assert verb_lemma(form) == verb


def test_a_verb_form_after_a_determiner_keeps_its_ending() -> None:
    assert (
        " ".join(lemmas(["people", "skiing", "on", "a", "skiing", "trip"])) == "people ski on a skiing trip"
    )
    assert lemmas(["seated", "men"]) == ["seat", "men"]
