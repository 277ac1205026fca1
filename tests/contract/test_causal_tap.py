"""The recorded probabilities are the ones the model uses: its output is rebuilt from them, and needs them."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tiny import Twins
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from scr_lens.config import LayerRange
from scr_lens.trace import Batch, run_pass
from scr_lens.trace.attention import RowRequest, attention_rows

NAME = "rows_times_values"


class RowsTimesValues:
    """Attention made of nothing but `attention_rows` and the values; some columns can be set to 0."""

    def __init__(self) -> None:
        self.blind: list[torch.Tensor] = []
        self.sums: list[torch.Tensor] = []

    def __call__(
        self, module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, None]:
        everything = torch.arange(key.shape[2]).expand(len(query), -1)
        request = RowRequest(
            layers=LayerRange(0, 3),
            queries=everything,
            query_is_real=torch.ones_like(everything, dtype=torch.bool),
            images=everything,
            key_length=key.shape[2],
            first_query=0,
        )
        rows = attention_rows(
            query, key, attention_mask, request, kwargs.get("scaling"), is_causal=module.is_causal
        )
        self.sums.append(rows.sum(-1))
        for row, columns in enumerate(self.blind):
            rows[row, :, :, columns] = 0
        groups = query.shape[1] // value.shape[1]
        return (rows @ value.repeat_interleave(groups, dim=1)).transpose(1, 2).contiguous(), None


@pytest.fixture
def rebuilt(twins: Twins) -> Iterator[RowsTimesValues]:
    """The plain twin with its attention rebuilt from rows; eager again afterwards."""
    function = RowsTimesValues()
    AttentionInterface.register(NAME, function)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    twins.reference.set_attn_implementation(twins.lens.family.attn_implementation(NAME))
    yield function
    twins.reference.set_attn_implementation("eager")


def last_logits(twins: Twins, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return twins.reference(**batch.forward_inputs, use_cache=False, logits_to_keep=1).logits[:, -1]


def test_the_logits_are_rebuilt_from_rows_that_sum_to_one(twins: Twins, rebuilt: RowsTimesValues) -> None:
    found = last_logits(twins, twins.batch)
    assert len(rebuilt.sums) == 4
    for layout, per_row in zip(twins.batch.layouts, torch.stack(rebuilt.sums, dim=1), strict=True):
        real = per_row[:, :, layout.n_pad :]
        torch.testing.assert_close(real, torch.ones_like(real))
    for record, logits in zip(run_pass(twins.lens, twins.batch).samples, found, strict=True):
        torch.testing.assert_close(record.logits, logits, rtol=1e-5, atol=1e-5)


def test_without_the_image_columns_the_logits_change(twins: Twins, rebuilt: RowsTimesValues) -> None:
    plain = last_logits(twins, twins.batch)
    rebuilt.blind = [layout.image_positions for layout in twins.batch.layouts]
    blind = last_logits(twins, twins.batch)
    for before, after in zip(plain, blind, strict=True):
        assert (before - after).abs().max() > 1e-2
