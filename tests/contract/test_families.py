"""Every family: where image and question are, loading by path, positions, number types, what it reports."""

from pathlib import Path

import pytest
import torch
from families import TINY_FAMILIES, TinyFamily, family_twins
from tiny import QUESTIONS, Twins

from scr_lens.families import FAMILIES
from scr_lens.trace import CaptureSpec, load, run_pass


def test_every_registered_family_is_in_the_contract_suite() -> None:
    assert {name.split("-")[0] for name in TINY_FAMILIES} == set(FAMILIES)


def test_layouts_name_the_patches_and_the_question(twins: Twins, tiny_family: TinyFamily) -> None:
    lens, batch = twins.lens, twins.batch
    image_token = lens.family.image_token_id(lens.config)
    for row, (layout, view) in enumerate(zip(batch.layouts, tiny_family.views, strict=True)):
        ids = batch.encoding["input_ids"][row]
        assert layout.grid == view.grid
        assert torch.equal(layout.image_positions, (ids == image_token).nonzero().flatten())
        assert lens.processor.tokenizer.decode(ids[layout.question]).split() == QUESTIONS[row].split()
        assert layout.last == batch.seq_len - 1


def test_different_image_sizes_share_a_batch(twins: Twins, tiny_family: TinyFamily) -> None:
    assert len({view.size for view in tiny_family.views}) == 3
    grids = {(layout.grid.height, layout.grid.width) for layout in twins.batch.layouts}
    assert grids == {(view.grid.height, view.grid.width) for view in tiny_family.views}
    sums = [record.resid_norm.shape[1] for record in run_pass(twins.lens, twins.batch).samples]
    assert sums == [view.grid.size for view in tiny_family.views]


def test_positions_are_those_the_model_derives_itself(twins: Twins) -> None:
    """Left padding aside: a sample alone gives plain transformers' logits without any position ids."""
    for sample in twins.samples():
        batch = twins.lens.prepare(sample)
        with torch.no_grad():
            plain = twins.reference(**batch.encoding, use_cache=False).logits[0, -1]
        record = run_pass(twins.lens, batch).samples[0]
        torch.testing.assert_close(record.logits, plain, rtol=1e-5, atol=1e-5)


def test_an_earlier_pass_leaves_no_trace(twins: Twins) -> None:
    """A pass is not changed by a generation over a batch of another shape before it."""
    before = run_pass(twins.lens, twins.batch).samples
    other = twins.lens.prepare(twins.samples()[2])
    with torch.no_grad():
        twins.lens.hf_model.generate(**other.encoding, do_sample=False, max_new_tokens=2)
    after = run_pass(twins.lens, twins.batch).samples
    for a, b in zip(before, after, strict=True):
        assert torch.equal(a.logits, b.logits)
        assert torch.equal(a.resid_norm, b.resid_norm)


def test_a_saved_checkpoint_loads_by_path(
    twins: Twins, tiny_family: TinyFamily, family_name: str, tmp_path: Path
) -> None:
    model, processor = tiny_family.build()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    lens = load(tmp_path, device="cpu")
    assert family_name.split("-")[0] == lens.model_type
    assert (lens.model_type, lens.attn_implementation) == (twins.lens.model_type, "scr_rows")
    assert lens.processor_digest == twins.lens.processor_digest
    loaded = run_pass(lens, lens.prepare(twins.samples())).samples
    for mine, theirs in zip(loaded, run_pass(twins.lens, twins.batch).samples, strict=True):
        assert torch.equal(mine.logits, theirs.logits)


def test_half_precision_runs(tiny_family: TinyFamily, family_name: str) -> None:
    lens = family_twins(family_name, dtype=torch.bfloat16).lens
    record = run_pass(lens, lens.prepare(family_twins(family_name).samples()), CaptureSpec()).samples[0]
    assert lens.dtype == "bfloat16"
    assert record.logits.isfinite().all()
    assert record.resid_norm.min() > 0


def test_the_family_states_where_it_normalizes(twins: Twins, tiny_family: TinyFamily) -> None:
    assert twins.lens.family.normalization(twins.lens.config) == tiny_family.normalization
    assert twins.lens.family.token_meaning


@pytest.mark.parametrize("text", ["yes", "no"])
def test_yes_and_no_are_in_the_vocabulary(twins: Twins, text: str) -> None:
    ids = twins.lens.yes_no_ids()[text == "no"]
    assert [twins.lens.processor.tokenizer.decode([i]).strip().lower() for i in ids] == [text] * len(ids)
