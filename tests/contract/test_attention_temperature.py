"""The temperature of attention equals an eager model changed by hand; temperature 1 changes no bit."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from tiny import Twins
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from scr_lens.config import LayerRange
from scr_lens.errors import ConfigError, ContractError
from scr_lens.trace import CaptureSpec, Lens, run_pass
from scr_lens.trace.temperature import attention_temperature

NAME = "tempered_by_hand"
LAYERS = LayerRange(1, 2)
CAPTURE = CaptureSpec(attention=LayerRange(0, 3))


@dataclass
class TemperedByHand:
    """Eager attention; at some blocks, text rows over the patches are raised to 1/T and rescaled."""

    temperature: float = 1.0
    layouts: tuple[Any, ...] = ()
    seen: dict[int, torch.Tensor] = field(default_factory=dict)

    def __call__(
        self, module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, None]:
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        scale = kwargs.get("scaling") or query.shape[-1] ** -0.5
        scores = query @ key.transpose(2, 3) * scale
        size = scores.shape[-1]
        allowed = torch.ones(size, size, dtype=torch.bool).tril()[None, None]
        if attention_mask is not None:
            allowed = allowed & attention_mask
        rows = torch.where(allowed, scores, torch.tensor(torch.finfo(scores.dtype).min)).softmax(-1)
        if module.layer_idx in LAYERS:
            for sample, layout in enumerate(self.layouts):
                for position in layout.text_after_image.tolist():
                    at_image = rows[sample, :, position, layout.image_positions]
                    powered = at_image.double() ** (1 / self.temperature)
                    shares = powered / powered.sum(-1, keepdim=True)
                    mass = at_image.double().sum(-1, keepdim=True)
                    rows[sample, :, position, layout.image_positions] = (mass * shares).to(rows.dtype)
        self.seen[module.layer_idx] = rows
        return (rows @ value).transpose(1, 2).contiguous(), None


@pytest.fixture
def by_hand(twins: Twins) -> Iterator[TemperedByHand]:
    function = TemperedByHand(layouts=twins.batch.layouts)
    AttentionInterface.register(NAME, function)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    twins.reference.set_attn_implementation(twins.lens.family.attn_implementation(NAME))
    yield function
    twins.reference.set_attn_implementation("eager")


def assert_same_bits(first: Any, second: Any) -> None:
    for one, two in zip(first.samples, second.samples, strict=True):
        assert torch.equal(one.logits, two.logits)
        assert torch.equal(one.attention, two.attention)
        assert torch.equal(one.resid_norm, two.resid_norm)


def test_temperature_one_changes_no_bit_and_nothing_stays_behind(twins: Twins) -> None:
    before = run_pass(twins.lens, twins.batch, CAPTURE)
    with attention_temperature(twins.lens, twins.batch, 1.0, LAYERS):
        assert_same_bits(run_pass(twins.lens, twins.batch, CAPTURE), before)
    with attention_temperature(twins.lens, twins.batch, 3.0, LAYERS):
        changed = run_pass(twins.lens, twins.batch, CAPTURE)
    assert not torch.equal(changed.samples[0].logits, before.samples[0].logits)
    assert_same_bits(run_pass(twins.lens, twins.batch, CAPTURE), before)


@pytest.mark.parametrize("temperature", [0.3, 4.0])
def test_temperature_equals_probabilities_changed_by_hand(
    twins: Twins, by_hand: TemperedByHand, temperature: float
) -> None:
    by_hand.temperature = temperature
    with torch.no_grad():
        output = twins.reference(**twins.batch.forward_inputs, use_cache=False)
    plain = run_pass(twins.lens, twins.batch, CAPTURE)
    with attention_temperature(twins.lens, twins.batch, temperature, LAYERS):
        record = run_pass(twins.lens, twins.batch, CAPTURE)
    for row, (sample, layout) in enumerate(zip(record.samples, twins.batch.layouts, strict=True)):
        torch.testing.assert_close(sample.logits, output.logits[row, -1], rtol=0, atol=2e-4)
        for layer in range(4):
            rows = by_hand.seen[layer][row][:, layout.text_after_image][..., layout.image_positions]
            torch.testing.assert_close(sample.attention[layer], rows.mean((0, 1)), rtol=0, atol=2e-6)
    first, untouched = record.samples[0], plain.samples[0]
    assert torch.equal(first.attention[0], untouched.attention[0])
    assert (first.attention[1] - untouched.attention[1]).abs().max() > 1e-4
    assert float(first.attention[1].sum()) == pytest.approx(float(untouched.attention[1].sum()), rel=1e-5)


def test_higher_temperature_is_more_even(lens: Lens, batch: Any) -> None:
    entropies = []
    for temperature in (0.2, 1.0, 5.0):
        with attention_temperature(lens, batch, temperature, LayerRange(1, 1)):
            record = run_pass(lens, batch, CaptureSpec(attention=LayerRange(1, 1), attention_heads=True))
        shares = record.samples[0].attention_heads[0]
        shares = shares / shares.sum(-1, keepdim=True)
        entropies.append(float(-(shares * shares.log()).sum(-1).mean()))
    assert entropies[0] < entropies[1] - 0.01 < entropies[2] - 0.02


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_temperatures_are_refused(lens: Lens, batch: Any, temperature: float) -> None:
    with (
        pytest.raises(ConfigError, match=r"temperature is .*; give a number above 0"),
        attention_temperature(lens, batch, temperature, LAYERS),
    ):
        pass


def test_a_temperature_that_reaches_nothing_is_an_error(lens: Lens, batch: Any) -> None:
    other = lens.prepare(batch.samples[1:])
    with (
        pytest.raises(ContractError, match="reached no attention call"),
        attention_temperature(lens, batch, 2.0, LAYERS),
    ):
        run_pass(lens, other, CAPTURE)
    assert lens.tap.edit is None
