"""Reading of free-text yes/no answers."""

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scr_lens.errors import ConfigError, DataError
from scr_lens.metrics import parse_answer


class TestOfficial:
    @pytest.mark.parametrize("text", ["No", "no, there is not", "There is no dog", "It is not.", "a, no"])
    def test_no_words_as_whole_pieces_are_no(self, text: str) -> None:
        assert parse_answer(text, "official") == "no"

    @pytest.mark.parametrize(
        "text", ["", "NO", "No!", "\nNo", "None", "There isn't", "It is. No", "not-so", "Yes"]
    )
    def test_everything_else_is_yes(self, text: str) -> None:
        assert parse_answer(text, "official") == "yes"

    def test_comma_is_deleted_not_split_on(self) -> None:
        assert parse_answer("yes,no", "official") == "yes"
        assert parse_answer("n,o", "official") == "no"

    def test_matches_the_official_script_on_awkward_answers(self) -> None:
        root = os.environ.get("SCR_LENS_TEST_DATA")
        if not root:
            pytest.skip("SCR_LENS_TEST_DATA is not set: no reference of the official scripts")
        cases = json.loads((Path(root) / "reference" / "pope_parsers.json").read_text())["cases"]
        ours = [parse_answer(text, "official") for text in cases["answers"]]
        assert len(ours) > 30
        assert ours == cases["parsed"]["official_evaluate_py"]


class TestStrict:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Yes", "yes"),
            ("YES!", "yes"),
            ("**Yes**", "yes"),
            ("_no_", "no"),
            ("\nNo.", "no"),
            ("(no)", "no"),
            ("No, no, no", "no"),
            ("3.5 dogs, no", "no"),
            ("", "unparsed"),
            ("yes and no", "unparsed"),
            ("I know a notebook", "unparsed"),
            ("Yess", "unparsed"),
            ("None", "unparsed"),
            ("not really", "unparsed"),
            ("Noé", "unparsed"),
            ("no1", "unparsed"),
        ],
    )
    def test_words(self, text: str, expected: str) -> None:
        assert parse_answer(text, "strict") == expected

    @given(st.text(alphabet="yesnoYESNO ,.!-1a", max_size=20))
    def test_equals_a_search_in_alphanumeric_runs(self, text: str) -> None:
        words = set(re.sub(r"[^a-z0-9]", " ", text.lower()).split()) & {"yes", "no"}
        expected = words.pop() if len(words) == 1 else "unparsed"
        assert parse_answer(text, "strict") == expected


def test_unknown_rule_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown parse rule 'strickt'; did you mean 'strict'"):
        parse_answer("yes", "strickt")  # type: ignore[arg-type]


def test_missing_answer_is_refused() -> None:
    with pytest.raises(DataError, match="answer is None; expected text"):
        parse_answer(None, "official")  # type: ignore[arg-type]
