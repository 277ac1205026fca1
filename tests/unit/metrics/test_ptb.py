import pytest

from scr_lens.metrics.ptb import caption_tokens


# Expected: output of Stanford's tokenizer (CoreNLP 3.4.1, -preserveLines -lowerCase) less the dropped marks.
@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A (red) [box] {x}", "a -lrb- red -rrb- -lsb- box -rsb- -lcb- x -rcb-"),
        ('it\'s "quoted" text', "it 's quoted text"),
        ("5,000 dogs; 3.5 cats: a/b and/or", "5,000 dogs 3.5 cats a/b and/or"),
        ("cannot gonna wanna don't", "can not gon na wan na do n't"),
        ("a well-lit - room -- dark...", "a well-lit room dark"),
        ("Mr. Smith at 5 p.m. in U.S. today", "mr. smith at 5 p.m. in u.s. today"),
        ("the dogs' bones & $5 50%", "the dogs bones & $ 5 50 %"),
        ("\u201ccurly\u201d man\u2019s", "curly man 's"),
        ("1/2 of a 2x4 3-4", "1/2 of a 2x4 3-4"),
        ("ok.next one.", "ok.next one"),
        ("a dog. A cat!\nwow?", "a dog a cat wow"),
        ("", ""),
        ("...", ""),
    ],
)
def test_tokens_are_stanfords(caption: str, expected: str) -> None:
    assert caption_tokens(caption) == expected.split()
