import pytest

from scr_lens.errors import ConfigError
from scr_lens.metrics.singular import pattern_singular, singular_words


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        *(("dogs", "dog"), ("benches", "bench"), ("buses", "bus"), ("knives", "knife"), ("women", "woman")),
        *(
            ("puppies", "puppy"),
            ("calves", "calf"),
            ("gloves", "glove"),
            ("mice", "mouse"),
            ("geese", "goose"),
        ),
        *(("children", "child"), ("people", "person"), ("oxen", "ox"), ("vases", "vase"), ("skis", "ski")),
        *(("shoes", "shoe"), ("horses", "horse"), ("sandwiches", "sandwich"), ("microwaves", "microwave")),
        *(("scissors", "scissors"), ("dog", "dog"), ("sofa", "sofa")),
    ],
)
def test_endings(plural: str, singular: str) -> None:
    assert pattern_singular(plural) == singular


@pytest.mark.parametrize(
    ("word", "mistake"),
    [
        *(("bus", "bu"), ("ties", "ty"), ("glass", "glas"), ("minibus", "minibu"), ("tennis", "tenni")),
        *(
            ("canoes", "cano"),
            ("airbus", "airbu"),
            ("has", "ha"),
            ("thieves", "thieve"),
            ("collies", "collies"),
        ),
    ],
)
def test_mistakes_of_the_original_are_kept(word: str, mistake: str) -> None:
    assert pattern_singular(word) == mistake


def test_the_two_ways_differ() -> None:
    text = ["seated", "men", "and", "vases", "on", "a", "bus"]
    assert singular_words(text, "pattern") == ["seated", "man", "and", "vase", "on", "a", "bu"]
    assert singular_words(text, "lemma") == ["seat", "men", "and", "vas", "on", "a", "bus"]


def test_unknown_way() -> None:
    with pytest.raises(ConfigError, match=r"unknown singularization 'lemmas'; did you mean 'lemma'\?"):
        singular_words(["dogs"], "lemmas")  # type: ignore[arg-type]
