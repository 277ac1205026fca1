"""Edits arrive where they should, and every way of applying them does the same."""

import pytest
import torch
from tiny import AddAt, Twins, build_method, ragged_samples

from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError
from scr_lens.interventions import METHODS, dense_operator
from scr_lens.trace import Batch, CaptureSpec, Lens, apply, run_pass, walk
from scr_lens.trace.hooks import run_pass_with_hooks

WHOLE = CaptureSpec(attention=LayerRange(0, 3), residuals=(0, 1, 2, 3))


def logits_of(lens: Lens, batch: Batch, intervention: object) -> torch.Tensor:
    records = run_pass(lens, batch, CaptureSpec(), intervention).samples  # type: ignore[arg-type]
    return torch.stack([record.logits for record in records])


def test_an_edit_arrives_exactly_at_the_next_block(twins: Twins) -> None:
    torch.manual_seed(0)
    lens, batch = twins.lens, twins.batch
    position = int(batch.layouts[0].image_positions[7])
    edit = AddAt(layer=1, position=position, vector=torch.randn(lens.d_model))
    inputs: list[torch.Tensor] = []
    block = twins.layers[2]
    handle = block.register_forward_pre_hook(lambda _m, args: inputs.append(args[0].clone()))
    try:
        before = run_pass(lens, batch, WHOLE).samples
        after = run_pass(lens, batch, WHOLE, edit).samples
    finally:
        handle.remove()
    plain, edited = inputs
    changed = edited - plain
    expected = plain[:, position] + edit.vector
    assert torch.equal(edited[:, position], expected)
    changed[:, position] = 0
    assert changed.abs().max() == 0
    assert torch.equal(after[0].residuals[1][7], expected[0])
    assert torch.equal(after[0].residuals[0], before[0].residuals[0])
    assert not torch.equal(after[0].logits, before[0].logits)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_equals_the_hook_oracle_bitwise(twins: Twins, scr_config: ScrConfig, name: str) -> None:
    lens, batch, attention = twins.lens, twins.batch, twins.attention
    method = build_method(name, lens, batch, attention, scr_config)
    ours = run_pass(lens, batch, WHOLE, method).samples
    oracle = run_pass_with_hooks(lens, batch, WHOLE, method).samples
    plain = run_pass(lens, batch, WHOLE).samples
    for mine, theirs, base in zip(ours, oracle, plain, strict=True):
        assert torch.equal(mine.logits, theirs.logits)
        assert torch.equal(mine.resid_norm, theirs.resid_norm)
        assert torch.equal(mine.attention, theirs.attention)
        assert torch.equal(mine.logits, base.logits) == (name in ("vanilla", "identity"))


def test_scr_equals_the_hook_oracle_bitwise(twins: Twins, scr_config: ScrConfig) -> None:
    scr = build_method("scr", twins.lens, twins.batch, twins.attention, scr_config)
    ours = run_pass(twins.lens, twins.batch, WHOLE, scr).samples
    oracle = run_pass_with_hooks(twins.lens, twins.batch, WHOLE, scr).samples
    plain = run_pass(twins.lens, twins.batch, WHOLE).samples
    for mine, theirs, base in zip(ours, oracle, plain, strict=True):
        assert torch.equal(mine.logits, theirs.logits)
        assert torch.equal(mine.resid_norm, theirs.resid_norm)
        assert torch.equal(mine.attention, theirs.attention)
        assert not torch.equal(mine.logits, base.logits)


def test_one_block_of_scr_is_the_dense_operator(twins: Twins) -> None:
    lens, batch, attention = twins.lens, twins.batch, twins.attention
    config = ScrConfig(lambda_=1.5, n_sources=3, layers=LayerRange(1, 1))
    method = build_method("scr", lens, batch, attention, config)
    before = run_pass(lens, batch, WHOLE).samples
    after = run_pass(lens, batch, WHOLE, method).samples
    for row, plan in enumerate(method.plans):
        expected = dense_operator(plan, 1.5).double() @ before[row].residuals[1].double()
        torch.testing.assert_close(after[row].residuals[1].double(), expected, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(after[row].residuals[1], before[row].residuals[1])


def test_apply_in_a_users_trace_equals_run_pass(twins: Twins, scr_config: ScrConfig) -> None:
    lens, batch, attention = twins.lens, twins.batch, twins.attention
    scr = build_method("scr", lens, batch, attention, scr_config)
    with torch.no_grad(), lens.trace(batch, logits_to_keep=1):
        apply(lens, scr)
        logits = lens.nn.output.logits.save()
    assert torch.equal(logits[:, -1], logits_of(lens, batch, scr))


def test_walk_reads_inside_blocks_while_editing(twins: Twins, scr_config: ScrConfig) -> None:
    lens, batch, attention = twins.lens, twins.batch, twins.attention
    scr = build_method("scr", lens, batch, attention, scr_config)
    record = run_pass(lens, batch, WHOLE, scr)
    with torch.no_grad(), lens.trace(batch, attention=LayerRange(0, 3), logits_to_keep=1):
        rows, before = [].save(), [].save()
        for _, block in walk(lens, scr):
            rows.append(block.self_attn.output[1])
            before.append(lens.family.hidden(block.output))
        logits = lens.nn.output.logits.save()
    assert torch.equal(logits[:, -1], logits_of(lens, batch, scr))
    n_text, n_patches = len(batch.layouts[2].text_after_image), batch.layouts[2].grid.size
    single = rows[2][2].mean(0)[:n_text, :n_patches].mean(0)  # rows of a shorter sample are padded
    torch.testing.assert_close(single, record.samples[2].attention[2])
    positions = batch.layouts[0].image_positions
    unedited = before[1][0, positions]
    assert not torch.equal(unedited, record.samples[0].residuals[1])
    assert torch.equal(scr(before[1], 1)[0, positions], record.samples[0].residuals[1])


def test_an_edited_lens_has_no_ordering_constraint(twins: Twins, scr_config: ScrConfig) -> None:
    lens, batch, attention = twins.lens, twins.batch, twins.attention
    scr = build_method("scr", lens, batch, attention, scr_config)
    record = run_pass(lens, batch, WHOLE, scr)
    edited = lens.edited(scr)
    with torch.no_grad(), edited.trace(batch, logits_to_keep=1):
        first = lens.family.hidden(edited.layers[0].output).save()
        logits = edited.nn.output.logits.save()
    assert torch.equal(logits[:, -1], logits_of(lens, batch, scr))
    assert torch.equal(first[1, batch.layouts[1].image_positions], record.samples[1].residuals[0])
    assert torch.equal(run_pass(edited, batch).samples[0].logits, record.samples[0].logits)
    assert not torch.equal(run_pass(lens, batch).samples[0].logits, record.samples[0].logits)


def test_a_trace_takes_samples_as_they_are(lens: Lens) -> None:
    sample = ragged_samples()[1]
    with torch.no_grad(), lens.trace(sample, logits_to_keep=1):
        logits = lens.nn.output.logits.save()
    assert torch.equal(logits[0, -1], run_pass(lens, lens.prepare(sample)).samples[0].logits)


def test_a_trace_without_attention_returns_no_rows(lens: Lens, batch: Batch) -> None:
    with torch.no_grad(), lens.trace(batch):
        rows = lens.layers[0].self_attn.output.save()
    assert rows[1] is None


@pytest.mark.parametrize("runner", [run_pass, run_pass_with_hooks])
def test_an_intervention_beyond_the_model_is_refused(twins: Twins, runner: object) -> None:
    batch = twins.lens.prepare(ragged_samples()[0])
    edit = AddAt(layer=4, position=3, vector=torch.zeros(twins.lens.d_model))
    with pytest.raises(ConfigError, match="4-4 do not fit a model with 4 blocks"):
        runner(twins.lens, batch, None, edit)  # type: ignore[operator]
