"""The diagnostic map is the mean of eager's attention, and the pass ends with the last diagnostic block."""

import dataclasses

import pytest
import torch
from tiny import QUESTIONS, Twins, noise_image, reference_run

from scr_lens.config import DiagnosticConfig, LayerRange
from scr_lens.errors import ConfigError, LayoutError
from scr_lens.trace import Batch, CaptureSpec, Lens, Sample, diagnose, run_pass
from scr_lens.trace.diagnosis import strongest_heads
from scr_lens.trace.hooks import run_pass_with_hooks


def test_the_map_is_the_mean_over_blocks_heads_and_queries_of_eager(twins: Twins) -> None:
    batch = twins.batch
    maps = diagnose(twins.lens, batch, DiagnosticConfig(queries="question"))
    eager = torch.stack(reference_run(twins, batch, output_attentions=True)[0].attentions)
    for row, layout in enumerate(batch.layouts):
        block = eager[1:3, row, :, layout.question][..., layout.image_positions]
        torch.testing.assert_close(maps[row], block.mean((0, 1, 2)), rtol=0, atol=1e-6)
        assert maps[row].std() > 1e-3


def test_no_block_after_the_last_diagnostic_one_runs(lens: Lens, batch: Batch) -> None:
    ran: list[int] = []
    handles = [
        block.register_forward_hook(lambda *_, i=i: ran.append(i))
        for i, block in enumerate(lens.hf_model.model.language_model.layers)
    ]
    try:
        diagnose(lens, batch, DiagnosticConfig(layers=LayerRange(0, 1)))
    finally:
        for handle in handles:
            handle.remove()
    assert set(ran) <= {0, 1}
    assert run_pass(lens, batch).samples[0].logits is not None


@pytest.mark.parametrize("runner", [run_pass, run_pass_with_hooks])
def test_an_early_stop_records_the_executed_blocks(lens: Lens, batch: Batch, runner: object) -> None:
    whole = run_pass(lens, batch, CaptureSpec(attention=LayerRange(1, 2))).samples
    spec = CaptureSpec(attention=LayerRange(1, 2), logits=False, stop_after=2)
    stopped = runner(lens, batch, spec).samples  # type: ignore[operator]
    for a, b in zip(stopped, whole, strict=True):
        assert a.logits is None
        assert torch.equal(a.resid_norm, b.resid_norm[:3])
        assert torch.equal(a.attention, b.attention)


def test_the_strongest_heads_are_those_with_the_most_image_attention(lens: Lens, batch: Batch) -> None:
    config = DiagnosticConfig(layers=LayerRange(0, 3), head_share=0.25)
    maps = diagnose(lens, batch, config)
    records = run_pass(lens, batch, CaptureSpec(attention=LayerRange(0, 3), attention_heads=True)).samples
    for found, record in zip(maps, records, strict=True):
        pairs = [
            (-float(record.attention_heads[i, h].sum()), i, h) for i in range(4) for h in range(lens.n_heads)
        ]
        kept = sorted(pairs)[:4]
        expected = sum(record.attention_heads[i, h] for _, i, h in kept) / 4
        torch.testing.assert_close(found, expected)
    whole = diagnose(lens, batch, DiagnosticConfig(layers=LayerRange(0, 3)))
    assert not torch.allclose(maps[0], whole[0], rtol=1e-2)


def test_ties_between_heads_go_to_the_lower_block_and_head() -> None:
    attention = torch.tensor([[[0.1, 0.4], [0.4, 0.1]], [[0.3, 0.2], [0.0, 0.1]]])
    assert strongest_heads(attention, 0.25).tolist() == pytest.approx([0.1, 0.4])
    assert strongest_heads(attention, 0.01).tolist() == pytest.approx([0.1, 0.4])


def test_per_image_diagnosis_uses_the_fixed_prompt_and_shares_it(lens: Lens) -> None:
    images = [noise_image(0), noise_image(1), noise_image(0)]
    samples = [Sample(image, question=q) for image, q in zip(images, QUESTIONS, strict=True)]
    config = DiagnosticConfig(diagnose_per="image")
    maps = diagnose(lens, lens.prepare(samples), config)
    fixed = lens.prepare([Sample(image, question=config.image_prompt) for image in images[:2]])
    expected = diagnose(lens, fixed)
    for found, index in zip(maps, (0, 1, 0), strict=True):
        torch.testing.assert_close(found, expected[index])
    assert not torch.allclose(maps[0], diagnose(lens, lens.prepare(samples))[0], rtol=1e-2)


def test_blocks_outside_the_model_and_empty_questions_are_refused(lens: Lens, batch: Batch) -> None:
    with pytest.raises(ConfigError, match="do not fit a model with 4 blocks"):
        diagnose(lens, batch, DiagnosticConfig(layers=LayerRange(2, 8)))
    with pytest.raises(LayoutError, match="question is empty"):
        diagnose(lens, _without_question(batch), DiagnosticConfig(queries="question"))


def _without_question(batch: Batch) -> Batch:
    empty = torch.tensor([], dtype=torch.long)
    layouts = tuple(dataclasses.replace(layout, question=empty) for layout in batch.layouts)
    return dataclasses.replace(batch, layouts=layouts)
