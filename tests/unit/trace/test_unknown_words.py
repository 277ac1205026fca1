"""Words that a vocabulary lacks are named, once, and only where the question needs them."""

import logging

import pytest
from tiny import noise_image
from tiny_tokenizer import word_tokenizer

from scr_lens.inspection import inspect_image
from scr_lens.models import load
from scr_lens.trace import Sample
from scr_lens.trace.unknown_words import caution, unknown_words

KNOWN = "Is there a dog in the image?"
STRANGE = "Is there a giraffenhals or a dog, giraffenhals?"


def test_words_are_found_as_they_are_written() -> None:
    tokenizer = word_tokenizer(())
    assert unknown_words(tokenizer, "is there a dog ?") == ()
    assert unknown_words(tokenizer, "is there a Zebra zoo in a zoo ?") == ("Zebra", "zoo")


def test_a_tokenizer_that_spells_everything_knows_everything() -> None:
    tokenizer = word_tokenizer(())
    tokenizer.unk_token = None
    assert unknown_words(tokenizer, "giraffenhals") == ()


def test_a_caution_is_said_only_where_there_is_one() -> None:
    assert caution(()) == ""
    assert caution(("a", "b")) == "The model does not know 'a', 'b': it reads the unknown token instead."


def test_a_model_says_once_what_it_cannot_read(caplog: pytest.LogCaptureFixture) -> None:
    lens = load()
    with caplog.at_level(logging.WARNING):
        lens.prepare([Sample(noise_image(), question=KNOWN)] * 2)
        assert caplog.messages == []
        for _ in range(2):
            lens.prepare([Sample(noise_image(), question=text) for text in (KNOWN, STRANGE)])
    assert caplog.messages == [f"{caution(['giraffenhals'])} Asked: {STRANGE!r}"]


def test_an_inspection_carries_the_caution() -> None:
    lens = load()
    known, strange = (
        inspect_image(lens, Sample(noise_image(), question=text), note="A note.") for text in (KNOWN, STRANGE)
    )
    assert known.note == "A note."
    assert strange.note == f"{caution(['giraffenhals'])} A note."
