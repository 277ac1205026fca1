"""A pass that goes on from the blocks before the first edited one gives what a whole pass gives."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import AddAt, Twins, noise_image
from torch import Tensor

from scr_lens.comparison import baseline_pass, treated_pass, treatment
from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError, ContractError
from scr_lens.interventions import Identity
from scr_lens.trace import Batch, CaptureSpec, Lens, Sample, encode_images, run_pass
from scr_lens.trace.head import go_on, run_head
from scr_lens.trace.model import resolve
from scr_lens.trace.temperature import attention_temperature

EVERYTHING = CaptureSpec(attention=LayerRange(0, 3), attention_heads=True, residuals=(0, 1, 3))
QUESTIONS = (
    (0, "is there a dog ?"),
    (1, "what color is the red ball on the left of the cat ?"),
    (0, "describe ."),
    (2, "is there a ball ?"),
    (0, "is there a cat on the left ?"),
)
METHODS = ("scr", "uniform-smooth", "gaussian-noise", "norm-only", "identity")


def asked(twins: Twins) -> Batch:
    pictures = [noise_image(index, *size) for index, size in enumerate(twins.sizes)]
    return twins.lens.prepare([Sample(pictures[index], question=text) for index, text in QUESTIONS])


def assert_same(mine: Any, expected: Any) -> None:
    assert len(mine) == len(expected)
    for a, b in zip(mine.samples, expected.samples, strict=True):
        assert a.layout is b.layout and a.attention_layers == b.attention_layers
        for name in ("logits", "resid_norm", "attention", "attention_heads"):
            close(getattr(a, name), getattr(b, name))
        assert a.residuals.keys() == b.residuals.keys()
        for layer in b.residuals:
            close(a.residuals[layer], b.residuals[layer])


def close(mine: Tensor | None, expected: Tensor | None) -> None:
    if expected is None:
        assert mine is None
    else:
        torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layers", ["0-1", "1-3", "2-3"])
def test_going_on_equals_the_whole_pass(twins: Twins, layers: str) -> None:
    lens, batch = twins.lens, encode_images(twins.lens, asked(twins))
    baseline = baseline_pass(lens, batch, tuple("abcde"), EVERYTHING)
    config = ScrConfig(lambda_=1.5, n_sources=3, layers=LayerRange.parse(layers))
    for method in METHODS:
        edit = treatment(baseline, method, config)
        expected = run_pass(lens, batch, EVERYTHING, edit)
        assert_same(treated_pass(baseline, edit, EVERYTHING), expected)
        norms = (record.samples[0].resid_norm[-1] for record in (expected, baseline.record))
        changed = not torch.allclose(*norms, rtol=1e-4)
        assert changed == (method != "identity")
    (head,) = baseline.heads.values()
    assert head is not None and head.output is not None


def test_images_of_their_own_go_on_to_the_last_bit(lens: Lens, batch: Batch, scr_config: ScrConfig) -> None:
    baseline = baseline_pass(lens, batch, tuple("abc"), EVERYTHING)
    edit = treatment(baseline, "scr", scr_config)
    mine, whole = treated_pass(baseline, edit, EVERYTHING), run_pass(lens, batch, EVERYTHING, edit)
    for a, b in zip(mine.samples, whole.samples, strict=True):
        assert torch.equal(a.logits, b.logits) and torch.equal(a.resid_norm, b.resid_norm)


@pytest.mark.parametrize(
    "capture",
    [
        CaptureSpec(resid_norms=False),
        CaptureSpec(attention=LayerRange(0, 1)),
        CaptureSpec(attention=LayerRange(1, 2), queries="last"),
        CaptureSpec(attention=LayerRange(3, 3), attention_heads=True),
        CaptureSpec(logits=False, stop_after=2, residuals=(2,)),
    ],
)
def test_any_capture_is_put_together(lens: Lens, capture: CaptureSpec) -> None:
    image = noise_image()
    batch = lens.prepare([Sample(image, question=text) for text in ("is there a dog ?", "what ?")])
    baseline = baseline_pass(lens, batch, ("a", "b"), EVERYTHING)
    edit = treatment(baseline, "scr", ScrConfig(lambda_=1.5, n_sources=3, layers=LayerRange(1, 2)))
    assert_same(treated_pass(baseline, edit, capture), run_pass(lens, batch, capture, edit))
    assert None not in baseline.heads.values()


def test_earlier_blocks_run_once_for_all_edits(twins: Twins) -> None:
    lens, batch = twins.lens, encode_images(twins.lens, asked(twins))
    baseline = baseline_pass(lens, batch, tuple("abcde"), EVERYTHING)
    calls = [0] * lens.n_layers
    blocks = resolve(lens.hf_model, lens.family.layers_path)

    def counting(index: int) -> Any:
        def count(*_: Any) -> None:
            calls[index] += 1

        return count

    handles = [block.mlp.register_forward_hook(counting(index)) for index, block in enumerate(blocks)]
    for lambda_ in (1.1, 1.3, 1.5):
        config = ScrConfig(lambda_=lambda_, n_sources=3, layers=LayerRange(1, 2))
        treated_pass(baseline, treatment(baseline, "scr", config), EVERYTHING)
    for handle in handles:
        handle.remove()
    assert calls == [1, 1, 3, 3]


def test_an_own_intervention_goes_on(lens: Lens, batch: Batch) -> None:
    baseline = baseline_pass(lens, batch, tuple("abc"), EVERYTHING)
    edit = AddAt(2, batch.layouts[0].last, torch.ones(lens.d_model))
    expected = run_pass(lens, batch, EVERYTHING, edit)
    assert_same(treated_pass(baseline, edit, EVERYTHING), expected)
    assert [layer for _, layer in baseline.heads] == [2]


def test_no_head_where_it_would_not_be_the_whole_pass(
    lens: Lens, batch: Batch, scr_config: ScrConfig
) -> None:
    assert run_head(lens, batch, CaptureSpec(gradients=True), 0) is None
    assert run_head(lens, batch, CaptureSpec(logits=False, stop_after=1), 1) is None
    assert run_head(lens, batch, CaptureSpec(), lens.n_layers - 1) is None
    baseline = baseline_pass(lens, batch, tuple("abc"), EVERYTHING)
    edit = treatment(baseline, "scr", scr_config)
    assert run_head(lens.edited(edit), batch, EVERYTHING, 0) is None
    treated_pass(baseline, edit, EVERYTHING)
    with attention_temperature(lens, batch, 3.0, LayerRange(0, 3)):
        assert run_head(lens, batch, EVERYTHING, 0) is None
        mine, whole = treated_pass(baseline, edit, EVERYTHING), run_pass(lens, batch, EVERYTHING, edit)
    assert torch.equal(mine.samples[0].logits, whole.samples[0].logits)


def test_edits_that_do_not_fit_a_head_are_refused(lens: Lens, batch: Batch) -> None:
    head = run_head(lens, batch, CaptureSpec(), 1)
    assert head is not None
    late = AddAt(2, 0, torch.zeros(lens.d_model))
    with pytest.raises(ContractError, match="acts on blocks 2-2, the head ends at block 1; run a head"):
        go_on(head, late)
    with pytest.raises(ContractError, match="acts on blocks None"):
        go_on(head, Identity())
    with pytest.raises(ConfigError):
        run_head(lens, batch, CaptureSpec(), lens.n_layers)


def test_values_that_are_not_finite_are_named_by_their_block(lens: Lens, batch: Batch) -> None:
    baseline = baseline_pass(lens, batch, tuple("abc"), EVERYTHING)
    image = int(batch.layouts[0].image_positions[0])
    edit = AddAt(2, image, torch.full((lens.d_model,), torch.inf))
    capture = replace(EVERYTHING, attention=None, attention_heads=False)
    with pytest.raises(ContractError, match="residual norms of recorded block 2 are not finite"):
        treated_pass(baseline, edit, capture)
