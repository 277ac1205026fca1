from scr_lens.metrics.double_words import DOUBLE_WORDS, join_double_words


def joined(text: str) -> list[str]:
    return [word for _, word in join_double_words(text.split())]


def test_pairs_are_joined_from_the_left_and_each_word_is_used_once() -> None:
    assert joined("a stop sign") == ["a", "stop sign"]
    assert joined("traffic stop light sign") == ["traffic", "stop light", "sign"]
    assert joined("hot dog dog") == ["hot dog", "dog"]


def test_positions_are_those_of_the_first_word() -> None:
    assert join_double_words(["a", "fire", "hydrant", "and", "a", "cat"]) == [
        (0, "a"),
        (1, "fire hydrant"),
        (3, "and"),
        (4, "a"),
        (5, "cat"),
    ]


def test_a_qualifier_before_an_animal_or_vehicle_is_dropped() -> None:
    assert joined("baby bird adult bear passenger jet") == ["bird", "bear", "jet"]
    assert joined("baby person") == ["baby", "person"]


def test_replacements_and_words_that_name_no_object() -> None:
    assert joined("bow tie toilet seat wine glas home plate train track") == [
        *("tie", "toilet", "wine glass", "home plate", "train track"),
    ]


def test_table_has_only_pairs() -> None:
    assert all(len(pair.split()) == 2 for pair in DOUBLE_WORDS)
    assert len(DOUBLE_WORDS) == 25 + 2 * 12 + 2 + 3


def test_nothing_is_lost_at_the_end() -> None:
    assert joined("hot") == ["hot"]
    assert joined("") == []
