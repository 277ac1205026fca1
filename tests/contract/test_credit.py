"""Ablation credit equals replacing the residual by hand; the dispatcher returns what the passes record."""

from typing import Any

import pytest
import torch
from tiny import Twins, build_method, ragged_samples, reference_run

from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError
from scr_lens.trace import (
    ESTIMATORS,
    Batch,
    CaptureSpec,
    Lens,
    ablation_credit,
    credit_maps,
    diagnose,
    run_pass,
)


def replaced_log_prob(twins: Twins, batch: Batch, layer: int, position: int, token: int) -> float:
    """log P(token) when a plain hook puts the mean patch at one position of one block."""
    image = batch.layouts[0].image_positions

    def replace(_module: Any, _args: Any, out: Any) -> Any:
        hidden = twins.hidden(out)
        edited = hidden.clone()
        edited[0, position] = hidden[0, image].mean(0)
        return (edited, *out[1:]) if isinstance(out, tuple) else edited

    handle = twins.reference_layers[layer].register_forward_hook(replace)
    try:
        with torch.no_grad():
            logits = twins.reference(**batch.forward_inputs, use_cache=False).logits
    finally:
        handle.remove()
    return float(logits[0, -1].log_softmax(-1)[token])


def test_ablation_equals_replacement_by_hand(twins: Twins) -> None:
    batch = twins.lens.prepare(twins.samples()[1])
    n_cells = batch.layouts[0].grid.size
    cells = [0, 8, n_cells - 1]
    credit = ablation_credit(twins.lens, batch, layers=LayerRange(0, 1), cells=cells, rows_per_pass=2)[0]
    logits = reference_run(twins, batch)[0].logits[0, -1]
    token = int(logits.argmax())
    base = float(logits.log_softmax(-1)[token])
    for layer in range(2):
        for cell in cells:
            position = int(batch.layouts[0].image_positions[cell])
            expected = base - replaced_log_prob(twins, batch, layer, position, token)
            assert credit[layer, cell].item() == pytest.approx(expected, abs=2e-5)
    assert credit[:, cells].abs().max() > 1e-3
    others = [cell for cell in range(n_cells) if cell not in cells]
    assert credit[:, others].isnan().all()


def test_ablation_of_a_batch_is_that_of_its_samples(lens: Lens, batch: Batch) -> None:
    together = ablation_credit(lens, batch, layers=LayerRange(1, 1))
    for sample, credit in zip(batch.samples, together, strict=True):
        alone = ablation_credit(lens, lens.prepare(sample), layers=LayerRange(1, 1), rows_per_pass=7)[0]
        torch.testing.assert_close(credit, alone, rtol=0, atol=2e-5)


def test_ablation_after_the_last_block_cannot_change_the_answer(lens: Lens, batch: Batch) -> None:
    for credit in ablation_credit(lens, batch, layers=LayerRange(3, 3), cells=(0, 1)):
        assert credit[0, :2].abs().max() == 0


def test_ablation_explains_the_chosen_token(lens: Lens, batch: Batch) -> None:
    yes = lens.yes_no_ids()[0][0]
    chosen = ablation_credit(lens, batch, layers=LayerRange(0, 0), cells=(5,), target=(yes,) * 3)
    own = ablation_credit(lens, batch, layers=LayerRange(0, 0), cells=(5,))
    assert not torch.allclose(chosen[0][0, 5], own[0][0, 5], rtol=1e-2)


def test_ablation_under_an_intervention_starts_from_the_edited_run(lens: Lens, scr_config: ScrConfig) -> None:
    batch = lens.prepare(ragged_samples()[0])
    scr = build_method("scr", lens, batch, diagnose(lens, batch), scr_config)
    credit = ablation_credit(lens, batch, layers=LayerRange(2, 2), cells=(9,), intervention=scr)[0]
    base = run_pass(lens, batch, CaptureSpec(), scr).samples[0]
    token = int(base.logits.argmax())
    image = batch.layouts[0].image_positions
    with torch.no_grad(), lens.edited(scr).trace(batch, logits_to_keep=1):
        edited = lens.layers[2].output.clone()
        edited[0, image[9]] = edited[0, image].mean(0)
        lens.layers[2].output = edited
        logits = lens.nn.output.logits.save()
    expected = base.log_prob(token) - float(logits[0, -1].log_softmax(-1)[token])
    assert credit[0, 9].item() == pytest.approx(expected, abs=1e-5)
    assert abs(expected) > 1e-5


def test_credit_maps_are_the_recorded_maps(lens: Lens, batch: Batch) -> None:
    layers = LayerRange(1, 2)
    record = run_pass(lens, batch, CaptureSpec(attention=LayerRange(0, 3), gradients=True)).samples
    fields = {
        "norm": "resid_norm",
        "grad_norm": "grad_norm",
        "grad_dot": "grad_dot",
        "attention": "attention",
    }
    for estimator, name in fields.items():
        maps = credit_maps(lens, batch, estimator, layers=layers)
        for sample, credit in zip(record, maps, strict=True):
            torch.testing.assert_close(credit, getattr(sample, name)[1:3])
    ablation = credit_maps(lens, batch, "ablation", layers=layers)
    torch.testing.assert_close(ablation[0], ablation_credit(lens, batch, layers=layers)[0])


def test_every_estimator_covers_all_blocks_by_default(lens: Lens) -> None:
    batch = lens.prepare(ragged_samples()[0])
    for estimator in ESTIMATORS:
        assert credit_maps(lens, batch, estimator)[0].shape == (4, 36)


def test_credit_under_an_intervention_is_that_of_the_edited_stream(
    lens: Lens, batch: Batch, attention: tuple[torch.Tensor, ...], scr_config: ScrConfig
) -> None:
    scr = build_method("scr", lens, batch, attention, scr_config)
    after = credit_maps(lens, batch, "norm", layers=LayerRange(0, 1), intervention=scr)
    record = run_pass(lens, batch, CaptureSpec(), scr).samples[0]
    assert torch.equal(after[0], record.resid_norm[:2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": LayerRange(2, 4)}, "do not fit a model with 4 blocks"),
        ({"cells": (36,)}, r"cells \[36\] are not in the grid; give patches from 0 to 35"),
        ({"cells": ()}, r"cells \[\] are not in the grid"),
        ({"rows_per_pass": 0}, "rows_per_pass is 0"),
        ({"target": (1,)}, "target has 1 token ids for 3 samples"),
    ],
)
def test_bad_ablation_settings_are_refused(
    lens: Lens, batch: Batch, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ablation_credit(lens, batch, **options)


def test_ablation_of_several_samples_under_one_intervention_is_refused(
    lens: Lens, batch: Batch, attention: tuple[torch.Tensor, ...], scr_config: ScrConfig
) -> None:
    scr = build_method("scr", lens, batch, attention, scr_config)
    with pytest.raises(ConfigError, match="one sample at a time, got 3"):
        ablation_credit(lens, batch, intervention=scr)


def test_an_unknown_estimator_is_refused(lens: Lens, batch: Batch) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown credit estimator 'grad_nrom'; did you mean 'grad_norm'\?"
    ):
        credit_maps(lens, batch, "grad_nrom")
