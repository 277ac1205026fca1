"""The same prompts without their pictures."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from scr_lens.trace import Batch, Lens


def text_only_inputs(lens: Lens, batch: Batch) -> Mapping[str, Tensor]:
    """Forward inputs of every prompt with its image tokens, and the special tokens around them, left out.

    Args:
        lens: The model.
        batch: The prompts with pictures.

    Returns:
        Left-padded `input_ids`, `attention_mask` and `position_ids` on the CPU; a prompt that is nothing but
        its picture keeps its last token.
    """
    marks = _marks(lens)
    rows = [
        without_picture(ids[layout.n_pad :], layout.image_positions - layout.n_pad, marks)
        for ids, layout in zip(batch.encoding["input_ids"], batch.layouts, strict=True)
    ]
    longest = max(len(row) for row in rows)
    ids = torch.stack([torch.cat([row[:1].expand(longest - len(row)), row]) for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    mask = (torch.arange(longest)[None] >= longest - lengths[:, None]).long()
    return {"input_ids": ids, "attention_mask": mask, "position_ids": _positions(mask, batch)}


def without_picture(
    ids: Int[Tensor, " seq"], image_positions: Int[Tensor, " patch"], marks: frozenset[int]
) -> Int[Tensor, " rest"]:
    """Leave out everything from the first to the last image token, and the marks that touch them.

    Args:
        ids: One row without padding.
        image_positions: Positions of the image tokens in it.
        marks: Ids of tokens that only announce a picture.

    Returns:
        The remaining ids, at least one.
    """
    tokens = ids.tolist()
    first, end = int(image_positions[0]), int(image_positions[-1]) + 1
    while first > 0 and tokens[first - 1] in marks:
        first -= 1
    while end < len(tokens) and tokens[end] in marks:
        end += 1
    return torch.cat([ids[:first], ids[end:]]) if first or end < len(tokens) else ids[-1:]


def _marks(lens: Lens) -> frozenset[int]:
    """Special tokens other than those that begin, end or pad a text."""
    tokenizer = lens.processor.tokenizer
    added = getattr(tokenizer, "added_tokens_decoder", {})
    special = {index for index, token in added.items() if token.special} | set(tokenizer.all_special_ids)
    plain = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return frozenset(special - set(plain))


def _positions(mask: Int[Tensor, "batch seq"], batch: Batch) -> Int[Tensor, "*axes batch seq"]:
    """Positions that count real tokens, on as many axes as the model's own positions have."""
    counted = (mask.cumsum(-1) - 1).clamp(min=0)
    own = batch.forward_inputs.get("position_ids")
    return counted if own is None or own.ndim == 2 else counted.expand(len(own), -1, -1)
