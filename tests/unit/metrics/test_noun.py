import pytest

from scr_lens.metrics.noun import find_nouns

KNOWN = frozenset(
    {"dog", "person", "can", "hot", "watch", "water", "light", "painting", "sailing", "leave", "people", "TV"}
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two dogs. A dog and people.", ["dog", "dog", "people"]),
        ("People watch TV", ["watch", "TV"]),  # a capital hides "People", as in the original
        ("A dog can be seen near a can and trash cans.", ["dog", "can", "can"]),
        ("a hot day", []),
        ("a person waiting to watch the dog with a watch", ["person", "dog", "watch"]),
        ("next to water, used to water", ["water"]),
        ("a light color under the light.", ["light"]),
        ("a painting on it; a person painting something", ["painting", "person"]),
        ("boats sailing past", []),
        ("green leaves", []),  # the base form is "leaf"
        ("", []),
    ],
)
def test_nouns_are_told_from_verbs_and_adjectives(text: str, expected: list[str]) -> None:
    assert find_nouns(text, KNOWN) == expected
