"""Passes resumed from a block give what whole passes give; the logit lens reads what the model reads."""

from typing import Any

import pytest
import torch
from tiny import AddAt, Twins, ragged_samples, reference_run

from scr_lens.config import LayerRange
from scr_lens.errors import ConfigError, ContractError
from scr_lens.trace import Lens, ablation_credit, run_pass
from scr_lens.trace.logit_lens import answer_lens
from scr_lens.trace.patch_effects import patch_effects
from scr_lens.trace.resume import require_same_logits, start


def test_resumed_ablation_equals_whole_passes(twins: Twins) -> None:
    sample = twins.samples()[1]
    effects = patch_effects(twins.lens, sample, (0, 2), rows_per_pass=7)
    batch = twins.lens.prepare(sample)
    for index, layer in enumerate(effects.layers):
        whole = ablation_credit(twins.lens, batch, layers=LayerRange(layer, layer))[0][0]
        torch.testing.assert_close(effects.ablation[index], whole, rtol=0, atol=2e-5)
    assert effects.ablation.abs().max() > 1e-4


def test_slopes_equal_autograd_on_the_plain_model(twins: Twins) -> None:
    sample = twins.samples()[0]
    batch = twins.lens.prepare(sample)
    kept: list[torch.Tensor] = []

    def keep(_module: Any, _args: Any, output: Any) -> None:
        hidden = twins.hidden(output)
        hidden.requires_grad_(True) if hidden.is_leaf else hidden.retain_grad()
        kept.append(hidden)

    handle = twins.reference_layers[1].register_forward_hook(keep)
    try:
        log_probs = twins.reference(**batch.forward_inputs, use_cache=False).logits[0, -1].log_softmax(-1)
        log_probs.max().backward()
    finally:
        handle.remove()
    positions = batch.layouts[0].image_positions
    h, g = kept[0].detach()[0, positions], kept[0].grad[0, positions]
    effects = patch_effects(twins.lens, sample, (1,))
    assert effects.target_token_id == int(log_probs.argmax())
    expected = torch.stack([g[i] @ (h[i] - h.mean(0)) for i in range(len(h))])
    torch.testing.assert_close(effects.attribution[0], expected, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(effects.grad_norm[0], g.norm(dim=-1) * h.norm(dim=-1), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(effects.grad_dot[0], (g * h).sum(-1).abs(), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(effects.norm[0], h.norm(dim=-1), rtol=1e-4, atol=1e-5)


def test_answer_lens_reads_what_norm_and_head_give(twins: Twins) -> None:
    found = answer_lens(twins.lens, twins.batch)
    output, blocks = reference_run(twins, twins.batch)
    head = twins.reference.get_output_embeddings()
    yes, no = twins.lens.yes_no_ids()
    for row, one in enumerate(found):
        final = output.logits[row, -1].detach()
        best_yes, best_no = (max(ids, key=lambda i: float(final[i])) for ids in (yes, no))
        for layer, hidden in enumerate(blocks):
            logits = head(twins.norm(hidden[row, -1]))
            expected = float(logits[best_yes] - logits[best_no])
            assert float(one.reading[layer + 1]) == pytest.approx(expected, abs=1e-3)
        assert float(one.reading[-1]) == pytest.approx(float(final[best_yes] - final[best_no]), abs=1e-3)
        assert float(one.attribution.sum()) == pytest.approx(float(one.reading[-1]), abs=1e-3)
        assert one.reading.shape == one.attribution.shape == (5,)
        torch.testing.assert_close(one.logits, final, rtol=0, atol=1e-4)


def test_attribution_is_what_is_lost_without_a_block_at_a_fixed_scale(lens: Lens) -> None:
    """Adding a vector after block 2 adds its product with the direction to that block's share."""
    batch = lens.prepare(ragged_samples()[0])
    vector = torch.randn(lens.d_model, generator=torch.Generator().manual_seed(0))
    plain = answer_lens(lens, batch)[0]
    edited = answer_lens(lens, batch, AddAt(2, batch.seq_len - 1, vector))[0]
    assert torch.allclose(plain.reading[:3], edited.reading[:3])
    assert not torch.allclose(plain.reading[3:], edited.reading[3:])
    record = run_pass(lens, batch, intervention=AddAt(2, batch.seq_len - 1, vector)).samples[0]
    assert torch.equal(edited.logits, record.logits)
    assert float(edited.attribution.sum()) == pytest.approx(float(edited.reading[-1]), abs=1e-4)


@pytest.mark.parametrize(("layers", "rows"), [((3,), 4), ((-1,), 4), ((), 4), ((0,), 0)])
def test_impossible_blocks_are_refused(lens: Lens, layers: tuple[int, ...], rows: int) -> None:
    with pytest.raises(ConfigError, match="give blocks from 0 to 2"):
        patch_effects(lens, ragged_samples()[0], layers, rows_per_pass=rows)


def test_one_sample_at_a_time(lens: Lens, batch: Any) -> None:
    with pytest.raises(ContractError, match="one sample at a time, got 3"):
        start(lens, batch)


def test_other_logits_are_refused(lens: Lens) -> None:
    logits = torch.tensor([[1.0, 2.0, torch.finfo(torch.float32).min]])
    require_same_logits(lens, torch.tensor([[1.0, 2.0, 5.0]]), logits)
    with pytest.raises(ContractError, match="off the model's own logits by 1"):
        require_same_logits(lens, torch.tensor([[1.0, 3.0, 5.0]]), logits)
