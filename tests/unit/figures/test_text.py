import pytest

from scr_lens.figures.text import printable, text_width, wrap


def test_odd_characters_are_kept_or_replaced():
    assert printable("$a_1$ <b> 100% \\x ü λ") == "$a_1$ <b> 100% \\x ü λ"
    assert printable("a\u0007b \u732b") == "a\N{REPLACEMENT CHARACTER}b \N{REPLACEMENT CHARACTER}"


def test_line_breaks_show_and_blanks_collapse():
    assert printable("  one \t two\nthree ") == "one two \N{DOWNWARDS ARROW WITH CORNER LEFTWARDS} three"


@pytest.mark.parametrize("text", ["word " * 60, "unbroken" * 40, "mixed " + "long" * 30 + " end"])
def test_no_line_is_wider_than_asked_and_nothing_is_lost(text):
    lines = wrap(text, 2.0, 8, max_lines=100)
    assert len(lines) > 2
    assert all(text_width(line, 8) <= 2.0 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_too_long_a_text_ends_in_an_ellipsis():
    lines = wrap("word " * 200, 2.0, 8, max_lines=3)
    assert len(lines) == 3
    assert lines[-1].endswith("\N{HORIZONTAL ELLIPSIS}")
    assert text_width(lines[-1], 8) <= 2.0


def test_empty_text_has_no_line():
    assert wrap("", 2.0, 8) == []


def test_width_grows_with_size_and_text():
    assert text_width("aa", 16) == pytest.approx(2 * text_width("aa", 8), rel=1e-3)
    assert text_width("aaa", 8) > text_width("aa", 8)
    assert text_width("aa", 8, bold=True) > text_width("aa", 8)
