"""Gradient credit equals plain autograd on the Hugging Face model and finite differences."""

from typing import Any

import pytest
import torch
from families import family_twins
from tiny import ScaleAt, Twins

from scr_lens.errors import ConfigError
from scr_lens.trace import Batch, CaptureSpec, Lens, run_pass

GRADIENTS = CaptureSpec(gradients=True)


def autograd_reference(twins: Twins, batch: Batch, row: int, token: int) -> tuple[list[Any], list[Any]]:
    """Every block's output for one row of the batch and the gradient of log P(token), by plain hooks."""
    kept: list[torch.Tensor] = []

    def keep(_module: Any, _args: Any, out: Any) -> None:
        hidden = twins.hidden(out)
        kept.append(hidden if hidden.requires_grad else hidden.requires_grad_(True))

    handles = [block.register_forward_hook(keep) for block in twins.reference_layers]
    try:
        logits = twins.reference(**batch.forward_inputs, use_cache=False).logits
    finally:
        for handle in handles:
            handle.remove()
    gradients = torch.autograd.grad(logits[row, -1].log_softmax(-1)[token], kept)
    return [h.detach()[row] for h in kept], [g[row] for g in gradients]


def test_gradient_credit_equals_plain_autograd(twins: Twins) -> None:
    batch = twins.batch
    for row, record in enumerate(run_pass(twins.lens, batch, GRADIENTS).samples):
        token = int(record.logits.argmax())
        assert record.target_token_id == token
        hidden, gradients = autograd_reference(twins, batch, row, token)
        image = batch.layouts[row].image_positions
        for layer, (h, g) in enumerate(zip(hidden, gradients, strict=True)):
            norm = g[image].norm(dim=-1) * h[image].norm(dim=-1)
            dot = (g[image] * h[image]).sum(-1).abs()
            torch.testing.assert_close(record.grad_norm[layer], norm, rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(record.grad_dot[layer], dot, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["llava", "qwen2_vl"])
def test_gradient_dot_equals_a_finite_difference(name: str) -> None:
    twins = family_twins(name, dtype=torch.float64)
    lens = twins.lens
    batch = lens.prepare(twins.samples()[1])
    record = run_pass(lens, batch, GRADIENTS).samples[0]
    assert record.grad_dot is not None
    step, target = 2e-3, int(record.target_token_id or 0)  # the model's norms run in float32: not smaller
    for layer in range(2):
        patch = int(record.grad_dot[layer].argmax())
        position = int(batch.layouts[0].image_positions[patch])
        sides = [
            log_prob_in_double(lens, batch, ScaleAt(layer, position, 1 + sign * step), target)
            for sign in (1, -1)
        ]
        slope = abs(sides[0] - sides[1]) / (2 * step)
        assert record.grad_dot[layer, patch].item() == pytest.approx(slope, rel=1e-2)


def test_before_the_last_norm_the_gradient_is_orthogonal_to_the_residual(lens: Lens, batch: Batch) -> None:
    """The last block sees a patch of the block before only through a norm, which ignores its length."""
    for record in run_pass(lens, batch, GRADIENTS).samples:
        assert record.grad_dot is not None
        assert record.grad_norm is not None
        assert record.grad_dot[2].max() < 1e-4 * record.grad_norm[2].max()
        assert record.grad_dot[1].max() > 1e-2 * record.grad_norm[1].max()


def log_prob_in_double(lens: Lens, batch: Batch, edit: ScaleAt, target: int) -> float:
    with torch.no_grad(), lens.trace(batch, logits_to_keep=1):
        output = lens.layers[edit.layer].output
        lens.layers[edit.layer].output = edit(output, edit.layer)
        logits = lens.nn.output.logits.save()
    return float(logits[0, -1].log_softmax(-1)[target])


def test_gradients_start_at_the_language_model_and_touch_no_parameter(lens: Lens, batch: Batch) -> None:
    record = run_pass(lens, batch, GRADIENTS).samples[0]
    assert record.grad_norm is not None
    assert record.grad_norm[:3].min() > 0
    assert record.grad_norm[3].abs().max() == 0
    assert (record.grad_dot <= record.grad_norm * (1 + 1e-5)).all()
    assert all(p.grad is None and not p.requires_grad for p in lens.hf_model.parameters())


def test_the_target_can_be_chosen_per_sample(lens: Lens, batch: Batch) -> None:
    yes, no = (ids[0] for ids in lens.yes_no_ids())
    chosen = run_pass(lens, batch, CaptureSpec(gradients=True, gradient_target=(yes, no, yes))).samples
    swapped = run_pass(lens, batch, CaptureSpec(gradients=True, gradient_target=(no, no, no))).samples
    assert [record.target_token_id for record in chosen] == [yes, no, yes]
    assert torch.equal(chosen[1].grad_norm, swapped[1].grad_norm)
    assert not torch.allclose(chosen[0].grad_norm, swapped[0].grad_norm, rtol=1e-2)


def test_the_forward_values_of_a_gradient_pass_are_those_of_a_plain_pass(lens: Lens, batch: Batch) -> None:
    plain, graded = run_pass(lens, batch).samples, run_pass(lens, batch, GRADIENTS).samples
    for a, b in zip(plain, graded, strict=True):
        torch.testing.assert_close(a.logits, b.logits)
        torch.testing.assert_close(a.resid_norm, b.resid_norm)
        assert not b.logits.requires_grad


def test_a_wrong_number_of_targets_is_refused(lens: Lens, batch: Batch) -> None:
    with pytest.raises(ConfigError, match="gradient_target has 2 token ids for 3 samples"):
        run_pass(lens, batch, CaptureSpec(gradients=True, gradient_target=(1, 2)))
