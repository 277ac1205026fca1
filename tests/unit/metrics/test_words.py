import pytest

from scr_lens.metrics.words import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("A dog.", ["A", "dog", "."]),
        ("A dog. A cat.", ["A", "dog", ".", "A", "cat", "."]),
        ("on the table.The cat", ["on", "the", "table.The", "cat"]),
        ("Mr. Fox has 3.5 dogs, 1,000 cats", ["Mr.", "Fox", "has", "3.5", "dogs", ",", "1,000", "cats"]),
        ("the woman's dogs' bones", ["the", "woman", "'s", "dogs", "'", "bones"]),
        ("it isn't", ["it", "is", "n't"]),
        ("a well-lit room (with a bed).", ["a", "well-lit", "room", "(", "with", "a", "bed", ")", "."]),
        ("a man\u2019s hat", ["a", "man", "\u2019", "s", "hat"]),
        ("wait... what?!", ["wait", "...", "what", "?", "!"]),
        ("one\n\ntwo: three", ["one", "two", ":", "three"]),
        ('a "stop" sign.', ["a", '"', "stop", '"', "sign", "."]),
        ("a (red) dog.)", ["a", "(", "red", ")", "dog", ".", ")"]),
    ],
)
def test_words_are_split_by_the_treebank_convention(text: str, expected: list[str]) -> None:
    assert words(text) == expected
