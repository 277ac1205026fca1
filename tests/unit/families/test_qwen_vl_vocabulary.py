"""The tokenizer built from a rank file encodes as merging by rank does."""

import base64
import itertools
import unicodedata
from pathlib import Path

import pytest
import qwen_vl_original as original
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from scr_lens.errors import DataError
from scr_lens.families.qwen_vl.vocabulary import (
    SPECIAL_TOKENS,
    build_tokenizer,
    byte_letters,
    merge_list,
    read_ranks,
)

# Tokens with several cuts, equal neighbors, and at the end one that merging cannot reach.
MORE = (b"aa", b"aaa", b"ab", b"bc", b"abc", b"abcd", b"cda", "é".encode(), "図".encode(), b"xyz")
RANKS = original.ranks() | {token: len(original.ranks()) + i for i, token in enumerate(MORE)}
TOKENIZER = build_tokenizer(RANKS)
# What separates pieces: contractions, words, digits one by one, punctuation, line ends, spaces.
PIECES = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


def encode_by_rank(text: str) -> list[int]:
    """In every piece, merge the pair with the lowest rank, leftmost first, until none has a rank."""
    ids = []
    for piece in regex.findall(PIECES, unicodedata.normalize("NFC", text)):
        if piece.encode() in RANKS:
            ids.append(RANKS[piece.encode()])
            continue
        parts = [bytes([byte]) for byte in piece.encode()]
        while True:
            made = [a + b for a, b in itertools.pairwise(parts)]
            ranked = [(RANKS.get(token, len(RANKS)), i) for i, token in enumerate(made)]
            rank, at = min(ranked, default=(len(RANKS), 0))
            if rank == len(RANKS):
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        ids += [RANKS[part] for part in parts]
    return ids


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="aaabbccdxyz isthergdo'SLl?.7 \n\té図e\u0301ñ🙂", max_size=40))
def test_encoding_is_merging_by_rank(text: str) -> None:
    assert TOKENIZER(text)["input_ids"] == encode_by_rank(text)
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == unicodedata.normalize("NFC", text)


def test_a_piece_that_is_a_token_is_that_token_even_if_merging_cannot_reach_it() -> None:
    assert TOKENIZER("xyz")["input_ids"] == [RANKS[b"xyz"]]
    assert RANKS[b"xyz"] not in TOKENIZER("wxyz")["input_ids"]


def test_special_tokens_follow_the_ranks_at_their_published_places() -> None:
    """Places counted from <|endoftext|>, which is 151643 after the published 151643 ranks."""
    places = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645, "<|extra_0|>": 151646}
    places |= {"<|extra_204|>": 151850, "<ref>": 151851, "</ref>": 151852, "<box>": 151853, "</box>": 151854}
    places |= {"<quad>": 151855, "</quad>": 151856, "<img>": 151857, "</img>": 151858, "<imgpad>": 151859}
    for token, published in places.items():
        assert TOKENIZER.convert_tokens_to_ids(token) == published - 151643 + len(RANKS)
        assert TOKENIZER(f"a{token} b")["input_ids"][1] == published - 151643 + len(RANKS)
    assert len(TOKENIZER) == len(RANKS) + 217 == len(RANKS) + len(set(SPECIAL_TOKENS))
    assert TOKENIZER.eos_token == TOKENIZER.pad_token == "<|endoftext|>"
    assert TOKENIZER.bos_token is None


def test_special_tokens_vanish_from_answers() -> None:
    ids = TOKENIZER("<|im_start|>yes<box>(1,2)</box><|im_end|><|endoftext|>")["input_ids"]
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == "yes(1,2)"


def test_padding_is_on_the_left_with_the_end_of_text() -> None:
    encoding = TOKENIZER(["a", "a dog"], padding=True)
    assert encoding["input_ids"][0] == [len(RANKS)] * (len(encoding["input_ids"][1]) - 1) + [RANKS[b"a"]]
    assert encoding["attention_mask"][0] == [0] * (len(encoding["input_ids"][1]) - 1) + [1]
    assert set(encoding) == {"input_ids", "attention_mask"}


def test_a_saved_tokenizer_is_an_ordinary_one(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    text = "<img><imgpad></img>is there a dog? e\u0301 abcd\n<|im_end|>"
    assert again(text) == TOKENIZER(text)
    assert again.padding_side == "left"


def test_bytes_are_spelled_as_transformers_spells_them() -> None:
    assert byte_letters() == bytes_to_unicode()


def test_merges_are_ordered_by_the_rank_of_their_result() -> None:
    merges = merge_list(RANKS)
    results = [RANKS[left + right] for left, right in merges]
    assert results == sorted(results)
    assert (b"a", b"bc") in merges and (b"ab", b"c") in merges
    assert not any(left + right == b"xyz" for left, right in merges)


def rank_lines() -> list[str]:
    return [f"{base64.b64encode(token).decode()} {rank}" for token, rank in original.ranks().items()]


def test_a_rank_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "qwen.tiktoken").write_text("\n".join(rank_lines()) + "\n")
    assert read_ranks(tmp_path / "qwen.tiktoken") == original.ranks()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*rank_lines()[:3], "no-base64! 3"], r"line 4 is not a base64 token and its rank \(.*\); download"),
        (["YQ=="], "line 1 is not a base64 token and its rank"),
        (["YQ== first"], "line 1 is not a base64 token and its rank"),
        (
            rank_lines()[:200],
            "lists 200 tokens that lack single bytes or skip ranks; download the file again",
        ),
        (rank_lines()[:-2] + rank_lines()[-1:], "lack single bytes or skip ranks"),
    ],
)
def test_a_damaged_rank_file_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    (tmp_path / "qwen.tiktoken").write_text("\n".join(lines))
    with pytest.raises(DataError, match=message) as caught:
        read_ranks(tmp_path / "qwen.tiktoken")
    assert "\n" not in str(caught.value)
