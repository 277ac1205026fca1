"""The lens sees what plain eager transformers computes, block by block."""

import itertools

import torch
from tiny import QUESTIONS, Twins, reference_run

from scr_lens.config import LayerRange
from scr_lens.interventions import Identity
from scr_lens.trace import CaptureSpec, Sample, run_pass
from scr_lens.trace.hooks import run_pass_with_hooks

EVERYTHING = CaptureSpec(
    attention=LayerRange(0, 3), attention_heads=True, residuals=(0, 1, 2, 3), gradients=True
)
MAPS = ("resid_norm", "attention", "attention_heads", "logits", "grad_norm", "grad_dot")


def test_every_block_and_the_logits_equal_eager(twins: Twins) -> None:
    batch = twins.batch
    record = run_pass(twins.lens, batch, CaptureSpec(residuals=(0, 1, 2, 3)))
    output, blocks = reference_run(twins, batch)
    for row, sample in enumerate(record.samples):
        for layer, block in enumerate(blocks):
            expected = block[row, batch.layouts[row].image_positions]
            torch.testing.assert_close(sample.residuals[layer], expected, rtol=1e-5, atol=1e-5)
            norms = expected.double().square().sum(-1).sqrt().float()
            torch.testing.assert_close(sample.resid_norm[layer], norms, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(sample.logits, output.logits[row, -1], rtol=1e-5, atol=1e-5)


def test_weights_are_large_enough_for_parity_to_mean_something(twins: Twins) -> None:
    _, blocks = reference_run(twins, twins.batch)
    for before, after in itertools.pairwise(blocks):
        assert (after - before).norm() > 0.3 * before.norm()


def test_last_residual_is_taken_before_the_final_norm(twins: Twins) -> None:
    batch = twins.lens.prepare(twins.samples()[0])
    residual = run_pass(twins.lens, batch, CaptureSpec(residuals=(3,))).samples[0].residuals[3]
    output, _ = reference_run(twins, batch, output_hidden_states=True)
    after_norm = output.hidden_states[-1][0, batch.layouts[0].image_positions]
    assert not torch.allclose(residual, after_norm, atol=1e-2)
    normed = twins.norm(residual)
    torch.testing.assert_close(normed, after_norm, rtol=1e-5, atol=1e-5)


def test_identity_is_bitwise_plain_transformers(twins: Twins) -> None:
    lens, batch = twins.lens, twins.batch
    record = run_pass(lens, batch, CaptureSpec(attention=LayerRange(0, 3)), Identity())
    twins.reference.set_attn_implementation("sdpa")
    try:
        with torch.no_grad():
            plain = twins.reference(**batch.forward_inputs, use_cache=False, logits_to_keep=1).logits[:, -1]
    finally:
        twins.reference.set_attn_implementation("eager")
    assert torch.equal(torch.stack([sample.logits for sample in record.samples]), plain)


def test_nnsight_and_plain_hooks_agree_bitwise(twins: Twins) -> None:
    batch = twins.batch
    ours = run_pass(twins.lens, batch, EVERYTHING).samples
    oracle = run_pass_with_hooks(twins.lens, batch, EVERYTHING).samples
    for mine, theirs in zip(ours, oracle, strict=True):
        for name in MAPS:
            assert torch.equal(getattr(mine, name), getattr(theirs, name)), name


def test_a_batch_of_ragged_questions_gives_the_single_results(twins: Twins) -> None:
    samples = twins.samples()
    together = run_pass(twins.lens, twins.lens.prepare(samples), EVERYTHING).samples
    assert len({record.layout.n_pad for record in together}) == 3
    for sample, batched in zip(samples, together, strict=True):
        alone = run_pass(twins.lens, twins.lens.prepare(sample), EVERYTHING).samples[0]
        for name in MAPS:
            torch.testing.assert_close(getattr(batched, name), getattr(alone, name), rtol=1e-4, atol=1e-5)
        for layer, residual in alone.residuals.items():
            torch.testing.assert_close(batched.residuals[layer], residual, rtol=1e-5, atol=1e-5)


def test_image_residuals_do_not_depend_on_the_question(twins: Twins) -> None:
    image = twins.samples()[0].image
    batch = twins.lens.prepare([Sample(image, question=question) for question in QUESTIONS])
    first, *others = run_pass(twins.lens, batch, CaptureSpec(residuals=(0, 3))).samples
    assert not torch.allclose(first.logits, others[0].logits, atol=1e-2)
    for other in others:
        torch.testing.assert_close(other.residuals[3], first.residuals[3], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(other.resid_norm, first.resid_norm, rtol=1e-5, atol=1e-5)
