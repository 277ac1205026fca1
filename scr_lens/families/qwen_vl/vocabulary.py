"""Qwen-VL's tokenizer built from the original `qwen.tiktoken` rank file, without remote code."""

import base64
import binascii
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from scr_lens.errors import DataError

Ranks = Mapping[bytes, int]

END_OF_TEXT = "<|endoftext|>"
IMAGE_START, IMAGE_END, IMAGE_PAD = "<img>", "</img>", "<imgpad>"
# In the order of their ids, from the first id after the ranks (151643 in the published file).
SPECIAL_TOKENS = (
    END_OF_TEXT,
    "<|im_start|>",
    "<|im_end|>",
    *(f"<|extra_{i}|>" for i in range(205)),
    "<ref>",
    "</ref>",
    "<box>",
    "</box>",
    "<quad>",
    "</quad>",
    IMAGE_START,
    IMAGE_END,
    IMAGE_PAD,
)


def read_ranks(path: Path) -> dict[bytes, int]:
    """Read a rank file: one token per line, base64, then its rank.

    Args:
        path: The file.

    Returns:
        Token to rank; ranks are 0 to n - 1 and every single byte has one.

    Raises:
        DataError: If a line cannot be read, or ranks or bytes are missing.
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error) as error:
            raise DataError(
                f"{str(path)!r} line {number} is not a base64 token and its rank ({error}); "
                "download the file again"
            ) from error
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing or sorted(ranks.values()) != list(range(len(ranks))):
        raise DataError(
            f"{str(path)!r} lists {len(ranks)} tokens that lack single bytes or skip ranks; "
            "download the file again"
        )
    return ranks


def build_tokenizer(ranks: Ranks) -> PreTrainedTokenizerFast:
    """A fast tokenizer that encodes as byte-pair encoding by rank does.

    NFC, the Qwen pattern, then in each piece the adjacent pair with the lowest rank is merged until none has
    one; a piece that is a token as a whole is that token. No start token; the end of text also pads.

    Args:
        ranks: Token to rank.

    Returns:
        The tokenizer, padding on the left, with the special tokens behind the ranks.
    """
    letters = byte_letters()
    vocabulary = {_spell(token, letters): rank for token, rank in ranks.items()}
    merges = [(_spell(left, letters), _spell(right, letters)) for left, right in merge_list(ranks)]
    backend = Tokenizer(BPE(vocabulary, merges, ignore_merges=True))
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL_TOKENS])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        additional_special_tokens=list(SPECIAL_TOKENS[1:]),
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def merge_list(ranks: Ranks) -> list[tuple[bytes, bytes]]:
    """Every way to make a token from two others, in the order of the tokens' ranks.

    Merging by rank reaches a token by one of its cuts only, the last one of merging its own bytes: what lies
    beside a token cannot change the merges inside it. The other cuts never apply and do no harm.

    Args:
        ranks: Token to rank.

    Returns:
        Pairs (left, right).
    """
    ordered = sorted(ranks, key=ranks.__getitem__)
    cuts = ((token[:i], token[i:]) for token in ordered for i in range(1, len(token)))
    return [(left, right) for left, right in cuts if left in ranks and right in ranks]


def byte_letters() -> dict[int, str]:
    """The printable letter that stands for each byte in a byte-level vocabulary.

    Visible Latin-1 characters stand for themselves; the other bytes get the letters from U+0100 on.

    Returns:
        Byte to letter, for all 256 bytes.
    """
    letters: dict[int, str] = {}
    spare = 0x100
    for byte in range(256):
        if unicodedata.category(chr(byte))[0] in "CZ":
            letters[byte], spare = chr(spare), spare + 1
        else:
            letters[byte] = chr(byte)
    return letters


def _spell(token: bytes, letters: Mapping[int, str]) -> str:
    return "".join(letters[byte] for byte in token)
