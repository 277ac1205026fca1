"""Questions that share an image give what each gives in a pass of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import Twins, noise_image

from scr_lens.comparison import attention_maps, baseline_pass, treatment
from scr_lens.config import DiagnosticConfig, LayerRange, ScrConfig
from scr_lens.errors import ContractError
from scr_lens.interventions import Redistribution
from scr_lens.trace import (
    Batch,
    CaptureSpec,
    Lens,
    Sample,
    diagnose,
    encode_images,
    run_pass,
    run_pass_shared,
    untouched_pass,
)
from scr_lens.trace.packing import pack
from scr_lens.trace.shared_prefix import Obstacle, find_packing
from scr_lens.trace.temperature import attention_temperature

EVERYTHING = CaptureSpec(attention=LayerRange(0, 3), attention_heads=True, residuals=(0, 3))
ASKED = (
    (0, "is there a dog ?"),
    (1, "what color is the red ball on the left of the cat ?"),
    (0, "is there a cat on the left ?"),
    (0, "describe ."),
    (2, "is there a ball ?"),
    (1, "what is the image ?"),
    (0, "is there a dog ? no"),
    (1, "what color is the cat ?"),
)


def samples(twins: Twins, asked: Any = ASKED) -> list[Sample]:
    """Three pictures, of different grid where the family has one, with 4, 3 and 1 questions."""
    pictures = [noise_image(index, *size) for index, size in enumerate(twins.sizes)]
    return [Sample(pictures[index], question=question) for index, question in asked]


def assert_same(mine: Any, expected: Any) -> None:
    for a, b in zip(mine.samples, expected.samples, strict=True):
        assert a.layout is b.layout
        for name in ("logits", "resid_norm"):
            torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=1e-5, atol=1e-5)
        for name in ("attention", "attention_heads"):
            if getattr(b, name) is not None:
                torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=0, atol=1e-6)
        assert a.residuals.keys() == b.residuals.keys()
        for layer in b.residuals:
            torch.testing.assert_close(a.residuals[layer], b.residuals[layer], rtol=1e-4, atol=1e-5)


@contextmanager
def tokens_run(lens: Lens) -> Iterator[list[int]]:
    """Number of tokens of every forward pass through the first decoder block."""
    from scr_lens.trace.model import resolve

    seen: list[int] = []

    def count(_module: Any, args: Any, kwargs: Any) -> None:
        hidden = args[0] if args else kwargs["hidden_states"]
        seen.append(hidden.shape[0] * hidden.shape[1])

    block = resolve(lens.hf_model, lens.family.layers_path)[0]
    handle = block.register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


@pytest.mark.parametrize("queries", ["all_text_after_image", "question", "last"])
def test_shared_equals_one_row_per_question(twins: Twins, queries: Any) -> None:
    batch = twins.lens.prepare(samples(twins))
    capture = replace(EVERYTHING, queries=queries)
    with tokens_run(twins.lens) as seen:
        shared = run_pass_shared(twins.lens, batch, capture)
        expected = run_pass(twins.lens, batch, capture)
    assert seen[0] < 0.7 * seen[1]
    assert len({layout.n_pad for layout in batch.layouts}) > 2
    assert_same(shared, expected)


def test_answers_and_selections_are_those_of_single_questions(twins: Twins) -> None:
    lens, asked = twins.lens, samples(twins)
    config = ScrConfig(n_sources=3)
    keys = tuple(map(str, range(len(asked))))
    capture = CaptureSpec(attention=DiagnosticConfig().resolved_layers(lens.n_layers))
    together = baseline_pass(lens, lens.prepare(asked), keys, capture)
    plans = treatment(together, "scr", config)
    assert isinstance(plans, Redistribution)
    for index, sample in enumerate(asked):
        batch = lens.prepare(sample)
        alone = run_pass(lens, batch, capture).samples[0]
        torch.testing.assert_close(together.record.samples[index].logits, alone.logits, rtol=1e-4, atol=1e-5)
        assert together.record.samples[index].logits.argmax() == alone.logits.argmax()
        single = treatment(baseline_pass(lens, batch, keys[:1], capture), "scr", config)
        assert torch.equal(plans.plans[index].sources, single.plans[0].sources)
        assert torch.equal(plans.plans[index].neighbors, single.plans[0].neighbors)


def test_pixels_and_features_give_the_same(twins: Twins) -> None:
    batch = twins.lens.prepare(samples(twins))
    from_pixels = run_pass_shared(twins.lens, batch, EVERYTHING)
    from_features = run_pass_shared(twins.lens, encode_images(twins.lens, batch), EVERYTHING)
    assert_same(from_features, from_pixels)


def test_one_image_in_another_order_of_questions(twins: Twins) -> None:
    asked = [(0, question) for _, question in ASKED]
    batch = twins.lens.prepare(samples(twins, asked))
    assert_same(run_pass_shared(twins.lens, batch, EVERYTHING), run_pass(twins.lens, batch, EVERYTHING))
    backwards = twins.lens.prepare(samples(twins, asked)[::-1])
    mine = run_pass_shared(twins.lens, backwards, EVERYTHING).samples[::-1]
    for a, b in zip(mine, run_pass(twins.lens, batch, EVERYTHING).samples, strict=True):
        torch.testing.assert_close(a.logits, b.logits, rtol=1e-5, atol=1e-5)


def test_a_question_neither_sees_nor_moves_its_neighbors(twins: Twins) -> None:
    """Exact: the same row with another question beside it gives the same bits."""
    lens = twins.lens
    first = samples(twins, [(0, "is there a dog ?"), (0, "is there a cat ?")])
    other = [first[0], Sample(first[0].image, question="is there a ball ?")]
    mine = run_pass_shared(lens, lens.prepare(first), EVERYTHING).samples
    changed = run_pass_shared(lens, lens.prepare(other), EVERYTHING).samples
    assert torch.equal(mine[0].logits, changed[0].logits)
    assert torch.equal(mine[0].attention_heads, changed[0].attention_heads)
    assert not torch.allclose(mine[1].logits, changed[1].logits, atol=1e-3)


def test_own_prompts_share_only_equal_beginnings(lens: Lens) -> None:
    image = noise_image(5)
    prompts = ["a <image> is there a dog", "a <image> what", "the <image> what", "a <image> is there"]
    batch = lens.prepare([Sample(image, prompt=prompt) for prompt in prompts])
    packing = pack(encode_images(lens, batch))
    assert packing.placement.rows == (0, 0, 1, 0)
    assert_same(run_pass_shared(lens, batch, EVERYTHING), run_pass(lens, batch, EVERYTHING))


def test_a_question_that_begins_another_and_equal_questions(lens: Lens) -> None:
    image = noise_image(6)
    asked = ["is there a dog", "is there a dog", "is there", "is there a dog on the left"]
    batch = lens.prepare([Sample(image, prompt=f"<image> {text}") for text in asked])
    record = run_pass_shared(lens, batch, EVERYTHING)
    assert_same(record, run_pass(lens, batch, EVERYTHING))
    torch.testing.assert_close(record.samples[0].logits, record.samples[1].logits, rtol=0, atol=1e-6)


def test_the_diagnostic_pass_shares_and_stops_early(twins: Twins) -> None:
    lens, batch = twins.lens, twins.lens.prepare(samples(twins))
    config = DiagnosticConfig(layers=LayerRange(0, 1), head_share=0.5)
    with tokens_run(lens) as seen:
        maps = diagnose(lens, batch, config)
    assert len(seen) == 1 and seen[0] < 0.7 * len(batch) * batch.seq_len
    for index, sample in enumerate(batch.samples):
        alone = diagnose(lens, lens.prepare(sample), config)[0]
        torch.testing.assert_close(maps[index], alone, rtol=0, atol=1e-6)


def test_settings_with_one_diagnosis_run_it_once(lens: Lens) -> None:
    batch = two_questions(lens)
    baseline = baseline_pass(lens, batch, ("a", "b"), CaptureSpec())
    diagnostic = DiagnosticConfig(queries="last")
    with tokens_run(lens) as seen:
        for lambda_, n_sources, topology in (
            (1.1, 2, "8"),
            (1.3, 2, "4"),
            (1.5, 4, "radius-2"),
            (1.5, 4, "8"),
        ):
            config = ScrConfig(lambda_=lambda_, n_sources=n_sources, topology=topology, diagnostic=diagnostic)
            treatment(baseline, "scr", config)
            treatment(baseline, "norm-only", config)
        assert len(seen) == 1
        attention_maps(baseline, replace(diagnostic, head_share=0.5))
        assert len(seen) == 2


def edited(lens: Lens, batch: Batch) -> tuple[Lens, Batch]:
    plan = treatment(baseline_pass(lens, batch, ("a", "b"), EVERYTHING), "scr", ScrConfig(n_sources=3))
    return lens.edited(plan), batch


def two_questions(lens: Lens) -> Batch:
    image = noise_image()
    return lens.prepare([Sample(image, question=text) for text in ("is there a dog ?", "what ?")])


def test_an_edited_lens_falls_back(lens: Lens) -> None:
    other, batch = edited(lens, two_questions(lens))
    with pytest.raises(ContractError, match="an edit made for the rows of the batch is active"):
        run_pass_shared(other, batch, EVERYTHING)
    mine, plain = untouched_pass(other, batch, EVERYTHING), run_pass(other, batch, EVERYTHING)
    assert torch.equal(mine.samples[0].logits, plain.samples[0].logits)
    clean = untouched_pass(lens, batch, EVERYTHING)
    assert not torch.allclose(mine.samples[0].logits, clean.samples[0].logits, atol=1e-3)


def test_an_attention_edit_falls_back(lens: Lens) -> None:
    batch = two_questions(lens)
    with attention_temperature(lens, batch, 3.0, LayerRange(0, 3)):
        found = find_packing(lens, batch, EVERYTHING)
        assert found == Obstacle("an edit made for the rows of the batch is active on the model")
        mine, plain = untouched_pass(lens, batch, EVERYTHING), run_pass(lens, batch, EVERYTHING)
    assert torch.equal(mine.samples[0].logits, plain.samples[0].logits)


def test_gradients_fall_back(lens: Lens) -> None:
    batch, capture = two_questions(lens), CaptureSpec(gradients=True)
    with pytest.raises(ContractError, match="gradients of one question's answer"):
        run_pass_shared(lens, batch, capture)
    assert untouched_pass(lens, batch, capture).samples[0].grad_norm is not None


def test_images_of_their_own_fall_back_bitwise(lens: Lens, batch: Batch) -> None:
    with pytest.raises(ContractError, match="every sample has an image of its own"):
        run_pass_shared(lens, batch, EVERYTHING)
    mine, plain = untouched_pass(lens, batch, EVERYTHING), run_pass(lens, batch, EVERYTHING)
    for a, b in zip(mine.samples, plain.samples, strict=True):
        assert torch.equal(a.logits, b.logits)


def test_text_before_the_image_that_differs_falls_back(lens: Lens) -> None:
    image = noise_image()
    batch = lens.prepare([Sample(image, prompt=f"{word} <image> what") for word in ("a", "the")])
    with pytest.raises(ContractError, match="too few samples have a prefix in common"):
        run_pass_shared(lens, batch, EVERYTHING)


def test_positions_left_to_the_model_fall_back(lens: Lens) -> None:
    batch = two_questions(lens)
    inputs = {name: value for name, value in batch.forward_inputs.items() if name != "position_ids"}
    found = find_packing(lens, replace(batch, forward_inputs=inputs), EVERYTHING)
    assert found == Obstacle("the family leaves positions to the model")


def test_an_input_of_unknown_shape_falls_back(lens: Lens) -> None:
    batch = two_questions(lens)
    inputs = {**batch.forward_inputs, "strange": torch.zeros(7)}
    found = find_packing(lens, replace(batch, forward_inputs=inputs), EVERYTHING)
    assert found == Obstacle("input 'strange' is neither per token nor per sample")


def test_windowed_attention_falls_back(lens: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    config = lens.config.text_config
    monkeypatch.setattr(config, "layer_types", ["full_attention", "sliding_attention"], raising=False)
    found = find_packing(lens, two_questions(lens), EVERYTHING)
    assert found == Obstacle(
        "some blocks attend in another way than causally (full_attention, sliding_attention)"
    )


def test_another_attention_falls_back(lens: Lens) -> None:
    lens.hf_model.set_attn_implementation({"text_config": "sdpa"})
    try:
        found = find_packing(lens, two_questions(lens), CaptureSpec())
    finally:
        lens.hf_model.set_attn_implementation({"text_config": "scr_rows"})
    assert found == Obstacle("the model runs with attention 'sdpa', not 'scr_rows'")
