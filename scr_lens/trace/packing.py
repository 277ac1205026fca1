"""Laying the questions of an image behind one copy of their common prefix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from scr_lens.layout import TokenLayout
from scr_lens.trace.placement import Placement
from scr_lens.trace.sample import Batch

PADDING = -1
PREFIX = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Packing:
    """A batch with one row per prefix: `[padding, prefix, slot 0, slot 1, ...]`, slots padded on the left.

    The last tokens of a slot lie in one column in all rows, so that their logits are read together.

    Args:
        batch: The batch.
        placement: Row, slot and positions of every sample.
        sources: Row and column in the batch of every packed token; at padding those of some text token.
        segments: What every packed token belongs to: `PREFIX`, 1 + slot, or `PADDING`.
        answers: Column of the last token of every slot.
    """

    batch: Batch
    placement: Placement
    sources: tuple[Int[Tensor, "row seq"], Int[Tensor, "row seq"]]
    segments: Int[Tensor, "row seq"]
    answers: Int[Tensor, "slot"]

    @property
    def n_tokens(self) -> int:
        """Tokens that a pass over the rows runs, padding included."""
        return self.segments.numel()

    def take(self, values: Int[Tensor, "*axis batch token"]) -> Int[Tensor, "*axis row seq"]:
        """The values of the packed tokens, from one value per token of the batch."""
        return values[..., self.sources[0], self.sources[1]]

    def tokens(self) -> tuple[Int[Tensor, "batch 1"], Int[Tensor, "batch seq"]]:
        """Where the batch's own tokens lie: the inverse of `take`.

        Returns:
            Row and column of every token; at padding those of the sample's first token.
        """
        columns = torch.empty(len(self.batch), self.batch.seq_len, dtype=torch.long)
        for sample, (row, slot) in enumerate(zip(self.placement.rows, self.placement.slots, strict=True)):
            segments, n_pad = self.segments[row], self.batch.layouts[sample].n_pad
            own = ((segments == PREFIX) | (segments == 1 + slot)).nonzero()[:, 0]
            columns[sample, n_pad:] = own
            columns[sample, :n_pad] = own[0]
        return torch.tensor(self.placement.rows)[:, None], columns

    def forward_inputs(self) -> dict[str, Any]:
        """Inputs of a pass over the rows; what belongs to an image is that of the row's first sample.

        Returns:
            Inputs per token and per sample; others are those of the batch.
        """
        given, firsts = self.batch.forward_inputs, list(self.placement.firsts)
        per_token = token_inputs(given)
        per_sample = sample_inputs(given)
        return {
            **given,
            **{name: self.take(value) for name, value in per_token.items()},
            **{name: value[firsts] for name, value in per_sample.items()},
            "attention_mask": self.mask(),
        }

    def mask(self) -> Bool[Tensor, "row 1 seq seq"]:
        """What every token sees: of the prefix and of its own slot, itself and what comes before.

        Padding sees itself too, since a row of the softmax must not be empty; nothing else sees it.
        """
        query, key = self.segments[:, :, None], self.segments[:, None, :]
        causal = torch.ones(query.shape[1], query.shape[1], dtype=torch.bool).tril()
        itself = torch.eye(query.shape[1], dtype=torch.bool)
        return (((key == PREFIX) | (key == query)) & (key != PADDING) & causal | itself)[:, None]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Group:
    """Samples with one prefix, the longest suffix first."""

    samples: tuple[int, ...]
    prefix: int
    suffixes: tuple[int, ...]


def token_inputs(inputs: Mapping[str, Any]) -> dict[str, Tensor]:
    """The inputs of a forward pass that hold something per token, but for the padding mask.

    Args:
        inputs: Forward inputs of a batch, with "input_ids" of shape `[batch, seq]`.

    Returns:
        Tensors whose last two axes are batch and sequence.
    """
    shape = inputs["input_ids"].shape
    return {
        name: value
        for name, value in inputs.items()
        if isinstance(value, Tensor) and value.shape[-2:] == shape and name != "attention_mask"
    }


def sample_inputs(inputs: Mapping[str, Any]) -> dict[str, Tensor]:
    """The inputs of a forward pass that hold one entry per sample, and none per token.

    Args:
        inputs: Forward inputs of a batch, with "input_ids" of shape `[batch, seq]`.

    Returns:
        Tensors whose first axis is the batch.
    """
    per_token = {*token_inputs(inputs), "attention_mask"}
    return {
        name: value
        for name, value in inputs.items()
        if isinstance(value, Tensor) and name not in per_token and len(value) == len(inputs["input_ids"])
    }


def pack(batch: Batch) -> Packing:
    """Finds the prefixes that samples share and lays the rest of each sample into a slot behind its prefix.

    A prefix ends at the image's last token or after the words that all questions of every image begin with.
    Samples share one if they have the same image object and agree in all token inputs up to its end.

    Args:
        batch: Samples with explicit position ids.

    Returns:
        One row per distinct prefix, in the order of their first samples.
    """
    groups = _groups(batch)
    start = max(group.prefix for group in groups)
    n_slots = max(len(group.samples) for group in groups)
    widths = [max(_entry(group.suffixes, slot) for group in groups) for slot in range(n_slots)]
    ends = start + np.cumsum(widths)
    shape = (len(groups), int(ends[-1]))
    owner, column = np.empty(shape, np.int64), np.empty(shape, np.int64)
    segments = np.full(shape, PADDING, np.int64)
    placed: dict[int, tuple[int, int, TokenLayout]] = {}
    for row, group in enumerate(groups):
        first = batch.layouts[group.samples[0]]
        owner[row], column[row] = group.samples[0], first.last
        _fill(owner, column, row, start, group.samples[0], first.n_pad + np.arange(group.prefix))
        segments[row, start - group.prefix : start] = PREFIX
        for slot, (sample, width) in enumerate(zip(group.samples, group.suffixes, strict=True)):
            layout, end = batch.layouts[sample], int(ends[slot])
            _fill(owner, column, row, end, sample, layout.last + 1 - width + np.arange(width))
            segments[row, end - width : end] = 1 + slot
            prefix_shift = start - group.prefix - layout.n_pad
            moved = _moved(layout, group.prefix, prefix_shift, end - 1 - layout.last, shape[1])
            placed[sample] = (row, slot, moved)
    rows, slots, layouts = zip(*(placed[sample] for sample in range(len(batch))), strict=True)
    return Packing(
        batch=batch,
        placement=Placement(rows=rows, slots=slots, layouts=layouts),
        sources=(torch.from_numpy(owner), torch.from_numpy(column)),
        segments=torch.from_numpy(segments),
        answers=torch.from_numpy(ends - 1),
    )


def _groups(batch: Batch) -> list[_Group]:
    tokens = [
        value.reshape(-1, len(batch), batch.seq_len) for value in token_inputs(batch.forward_inputs).values()
    ]
    table = torch.cat(tokens).transpose(0, 1).numpy()
    own = [table[row, :, layout.n_pad :] for row, layout in enumerate(batch.layouts)]
    up_to_image = [int(layout.image_positions[-1]) + 1 - layout.n_pad for layout in batch.layouts]
    members: dict[tuple[int, bytes], list[int]] = {}
    for sample, (values, end) in enumerate(zip(own, up_to_image, strict=True)):
        key = (id(batch.samples[sample].image), np.ascontiguousarray(values[:, :end]).tobytes())
        members.setdefault(key, []).append(sample)
    common = [
        _common_length([own[sample] for sample in samples]) - up_to_image[samples[0]]
        for samples in members.values()
        if len(samples) > 1
    ]
    words = min(common, default=0)
    groups = []
    for samples in members.values():
        samples.sort(key=lambda sample: -own[sample].shape[1])
        prefix = min(up_to_image[samples[0]] + words, own[samples[-1]].shape[1] - 1)
        lengths = tuple(own[sample].shape[1] - prefix for sample in samples)
        groups.append(_Group(samples=tuple(samples), prefix=prefix, suffixes=lengths))
    return groups


def _common_length(rows: Sequence[np.ndarray]) -> int:
    """Columns, from the first on, in which all rows agree; the shortest keeps its last for itself."""
    shortest = min(row.shape[1] for row in rows) - 1
    agree = np.all([row[:, :shortest] == rows[0][:, :shortest] for row in rows], axis=(0, 1))
    return shortest if agree.all() else int(agree.argmin())


def _entry(values: Sequence[int], index: int) -> int:
    return values[index] if index < len(values) else 0


def _fill(
    owner: np.ndarray, column: np.ndarray, row: int, end: int, sample: int, columns: np.ndarray
) -> None:
    """Writes where the tokens that end before a column come from."""
    owner[row, end - len(columns) : end] = sample
    column[row, end - len(columns) : end] = columns


def _moved(
    layout: TokenLayout, prefix: int, prefix_shift: int, suffix_shift: int, seq_len: int
) -> TokenLayout:
    """The layout at the packed positions."""

    def move(positions: Tensor) -> Tensor:
        return positions + torch.where(positions < layout.n_pad + prefix, prefix_shift, suffix_shift)

    return TokenLayout(
        image_positions=move(layout.image_positions),
        grid=layout.grid,
        text_after_image=move(layout.text_after_image),
        question=move(layout.question),
        last=layout.last + suffix_shift,
        seq_len=seq_len,
        n_pad=layout.n_pad + prefix_shift,
    )
