"""The method table says what the code does."""

from dataclasses import replace

import pytest
import torch
from tiny import build_method

from scr_lens.config import ScrConfig
from scr_lens.decoding import DECODERS
from scr_lens.decoding.table import DRAWN, as_markdown, method_table
from scr_lens.interventions import METHODS
from scr_lens.trace import Batch, Lens


def test_every_method_is_in_the_table_once() -> None:
    rows = method_table()
    names = [row.name for row in rows]
    assert sorted(names) == sorted({*METHODS, *DECODERS})
    by_name = {row.name: row for row in rows}
    assert by_name["scr"].traits.prefills == "1 + diagnostic (up to its last block)"
    assert by_name["one-pass-scr"].traits.prefills == "1"
    assert by_name["vcd"].to_dict()["defaults"]["timestep"] == 500
    lines = as_markdown(rows).splitlines()
    assert len(lines) == len(rows) + 2
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize("name", list(METHODS))
def test_interventions_that_draw_are_declared(
    name: str, lens: Lens, batch: Batch, attention: tuple[torch.Tensor, ...], scr_config: ScrConfig
) -> None:
    stream = torch.randn(3, batch.seq_len, 32, generator=torch.Generator().manual_seed(0))
    edits = []
    for seed in (0, 1):
        edit = build_method(name, lens, batch, attention, replace(scr_config, seed=seed))
        edits.append(stream if edit.layers is None else edit(stream, edit.layers.last))
    assert torch.equal(*edits) is (name not in DRAWN)
