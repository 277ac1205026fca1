"""OPERA's search on a scripted model, and its reader on a tiny one."""

from typing import Any

import pytest
import torch
from tiny import ragged_samples

from scr_lens.decoding import decode
from scr_lens.decoding.beam_reader import BeamReader, Peeked
from scr_lens.decoding.method import Context
from scr_lens.decoding.opera import Opera
from scr_lens.decoding.opera_search import OperaSearch
from scr_lens.interventions import Identity
from scr_lens.trace import Batch, Lens

VOCAB, LEADER = 6, 10


class Scripted:
    """Always prefers token 0, and attends to response token 10 until the search has returned once."""

    beams = 2

    def __init__(self) -> None:
        self.rewound: list[list[list[int]]] = []
        self.lengths = 0

    def logits(self) -> torch.Tensor:
        return torch.tensor([[5.0, 4.0, 3.0, 0.0, 0.0, 0.0]]).repeat(self.beams, 1)

    def row(self, length: int) -> torch.Tensor:
        row = torch.full((length,), 0.01)
        row[LEADER if length > LEADER and not self.rewound else -1] = 0.9
        return row

    def start(self) -> torch.Tensor:
        return self.logits()

    def extend(self, origins: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.lengths += 1
        return self.logits(), self.row(self.lengths).repeat(self.beams, 1)

    def peek(self, candidates: torch.Tensor) -> Peeked:
        row = self.row(self.lengths + 1)
        return Peeked(rows=row.repeat(*candidates.shape, 1), image_mass=torch.zeros(candidates.shape))

    def rewind(self, ids: torch.Tensor, read: int) -> torch.Tensor:
        assert read == self.lengths
        self.rewound.append(ids.tolist())
        self.lengths = ids.shape[1]
        return self.logits()


def test_it_rolls_back_once_and_takes_no_rejected_token() -> None:
    reader = Scripted()
    search = OperaSearch(reader, Opera(beams=2, candidates=2, threshold=3), frozenset())
    answer = search.run(24)
    assert search.rollbacks == [LEADER + 1]
    assert len(answer.token_ids) == 24
    # Before: the columns of token 10 lead from length 11 on; with threshold 3 the fourth lead rolls back.
    assert [len(beam) for beam in reader.rewound[0]] == [LEADER + 1] * 2
    kept = reader.rewound[0]
    assert list(answer.token_ids[: LEADER + 1]) in kept
    assert answer.token_ids[LEADER + 1] in {2, 3, 4, 5}  # 0 and 1 were chosen there before, in every beam


def test_without_a_leader_nothing_rolls_back() -> None:
    reader = Scripted()
    reader.rewound.append([])
    search = OperaSearch(reader, Opera(beams=2, candidates=2, threshold=3), frozenset())
    assert search.run(24).token_ids == (0,) * 24
    assert search.rollbacks == []


def test_short_answers_never_roll_back() -> None:
    search = OperaSearch(Scripted(), Opera(beams=2, candidates=2, threshold=1), frozenset())
    search.run(10)
    assert search.rollbacks == []


@pytest.mark.parametrize(("row", "ends"), [(0, None), (0, [15]), (2, [15]), (1, [22, 7])])
def test_without_penalty_it_is_the_beam_search_of_transformers(lens: Lens, row: int, ends: Any) -> None:
    batch = lens.prepare(ragged_samples()[row])
    lens.hf_model.generation_config.eos_token_id = ends
    try:
        ids = lens.hf_model.generate(
            **batch.encoding, do_sample=False, num_beams=5, max_new_tokens=9, pad_token_id=0
        )
        ours = decode(lens, batch, Opera(weight=0, candidates=999), 9)[0].token_ids
        assert ours == tuple(t for t in ids[0, batch.seq_len :].tolist() if t != 0)
    finally:
        lens.hf_model.generation_config.eos_token_id = None


def test_candidates_together_equal_candidates_one_by_one(lens: Lens) -> None:
    batch = lens.prepare(ragged_samples()[1])
    together, one_by_one = reader_at(lens, batch), reader_at(lens, batch)
    candidates = torch.tensor([[3, 9, 14], [7, 8, 20]])
    seen = together.peek(candidates)
    for n in range(3):
        single = one_by_one.peek(candidates[:, n : n + 1])
        torch.testing.assert_close(seen.rows[:, n], single.rows[:, 0], rtol=0, atol=1e-6)
        torch.testing.assert_close(seen.image_mass[:, n], single.image_mass[:, 0], rtol=0, atol=1e-6)
    assert seen.rows.shape == (2, 3, 3)


def reader_at(lens: Lens, batch: Batch) -> BeamReader:
    """Two beams that have read two different tokens each."""
    reader = BeamReader(Context(lens, batch, 0, Identity()), 2)
    reader.start()
    reader.extend(torch.tensor([0, 0]), torch.tensor([11, 12]))
    reader.extend(torch.tensor([0, 1]), torch.tensor([13, 14]))
    return reader


def test_rewinding_gives_the_logits_of_the_earlier_beams(lens: Lens) -> None:
    batch = lens.prepare(ragged_samples()[1])
    reader = BeamReader(Context(lens, batch, 0, Identity()), 2)
    reader.start()
    before, _ = reader.extend(torch.tensor([0, 1]), torch.tensor([11, 12]))
    before = before.clone()
    reader.extend(torch.tensor([1, 1]), torch.tensor([13, 14]))
    after = reader.rewind(torch.tensor([[11], [12]]), 2)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-5)


def test_a_candidates_row_is_the_row_it_has_once_chosen(lens: Lens) -> None:
    batch = lens.prepare(ragged_samples()[0])
    reader = reader_at(lens, batch)
    seen = reader.peek(torch.tensor([[3, 9], [7, 8]]))
    _, row = reader.extend(torch.tensor([0, 1]), torch.tensor([9, 8]))
    torch.testing.assert_close(seen.rows[:, 1], row, rtol=0, atol=1e-6)


def test_rows_are_eager_attention_maximized_over_heads(lens: Lens) -> None:
    from tiny import build_twins

    twins = build_twins()
    batch = twins.lens.prepare(ragged_samples()[0])
    reader = BeamReader(Context(twins.lens, batch, 0, Identity()), 1)
    reader.start()
    seen = reader.peek(torch.tensor([[9]]))
    ids = torch.cat([batch.encoding["input_ids"], torch.tensor([[9]])], dim=1)
    with torch.no_grad():
        eager = twins.reference(
            input_ids=ids,
            pixel_values=batch.encoding["pixel_values"],
            output_attentions=True,
            use_cache=False,
        ).attentions[-1]
    row = eager[0, :, -1].amax(0)
    row = row / row.sum()
    assert seen.rows[0, 0].tolist() == pytest.approx([row[-1].item()], abs=1e-6)
    mass = row[batch.layouts[0].image_positions].sum()
    assert seen.image_mass.item() == pytest.approx(mass.item(), abs=1e-6)
