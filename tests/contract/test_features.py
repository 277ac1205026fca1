"""Sharing image features between questions changes what is computed, not what comes out."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from families import TinyFamily
from tiny import Twins, noise_image

from scr_lens.config import LayerRange
from scr_lens.trace import CaptureSpec, Lens, Sample, encode_images, generate, run_pass
from scr_lens.trace.model import resolve

CAPTURE = CaptureSpec(attention=LayerRange(0, 3), residuals=(0, 3))


def shared_samples(twins: Twins) -> list[Sample]:
    first, second = noise_image(1, *twins.sizes[1]), noise_image(2, *twins.sizes[2])
    asked = ((first, "is there a dog ?"), (first, "is there a red ball ?"), (second, "describe ."))
    return [Sample(image, question=text) for image, text in asked]


def test_features_once_per_picture_give_the_plain_pass(twins: Twins) -> None:
    batch = twins.lens.prepare(shared_samples(twins))
    plain = run_pass(twins.lens, batch, CAPTURE).samples
    shared = run_pass(twins.lens, encode_images(twins.lens, batch), CAPTURE).samples
    for a, b in zip(plain, shared, strict=True):
        torch.testing.assert_close(a.logits, b.logits, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(a.attention, b.attention, rtol=0, atol=1e-6)
        for layer in (0, 3):
            torch.testing.assert_close(a.residuals[layer], b.residuals[layer], rtol=1e-4, atol=1e-5)


def test_the_tower_runs_once_for_all_passes(twins: Twins, tiny_family: TinyFamily) -> None:
    batch = twins.lens.prepare(shared_samples(twins))
    if tiny_family.tower is None:
        assert encode_images(twins.lens, batch) is batch
        return
    calls: list[Any] = []
    tower = resolve(twins.lens.hf_model, tiny_family.tower)
    handle = tower.register_forward_hook(lambda *_: calls.append(1))
    try:
        run_pass(twins.lens, batch)
        assert len(calls) == 1
        shared = encode_images(twins.lens, batch)
        assert len(calls) == 2
        run_pass(twins.lens, shared)
        run_pass(twins.lens, shared)
    finally:
        handle.remove()
    assert len(calls) == 2
    features = shared.forward_inputs["mm_encoder_outputs"]["image"].pooler_output
    assert [len(f) for f in features] == [layout.grid.size for layout in batch.layouts]
    assert torch.equal(features[0], features[1])


@pytest.mark.parametrize("options", [{}, {"num_return_sequences": 2, "num_beams": 2}])
def test_generation_from_features_writes_what_pixels_give(twins: Twins, options: dict[str, int]) -> None:
    batch = twins.lens.prepare(shared_samples(twins))
    shared = encode_images(twins.lens, batch)
    written = [generate(twins.lens, one, max_new_tokens=6, **options) for one in (shared, batch)]
    assert written[0] == written[1]
    assert {len(text.token_ids) for text in written[0]} != {1}


def test_generation_does_not_run_the_tower_again(twins: Twins, tiny_family: TinyFamily) -> None:
    if tiny_family.tower is None:
        pytest.skip("the family has no tower that runs alone")
    shared = encode_images(twins.lens, twins.lens.prepare(shared_samples(twins)))
    calls: list[int] = []
    tower = resolve(twins.lens.hf_model, tiny_family.tower)
    handle = tower.register_forward_hook(lambda *_: calls.append(1))
    try:
        generate(twins.lens, shared, max_new_tokens=3)
        generate(twins.lens, shared, max_new_tokens=3)
        assert calls == []
        generate(twins.lens, twins.lens.prepare(shared_samples(twins)), max_new_tokens=3)
    finally:
        handle.remove()
    assert calls == [1]


def test_generation_reads_the_features_it_is_given(twins: Twins) -> None:
    lens, text = twins.lens, "is there a dog ?"
    pair = [Sample(noise_image(seed, *twins.sizes[1]), question=text) for seed in (1, 2)]
    batch = encode_images(lens, lens.prepare(pair))
    swapped = replace(batch, encoding=lens.prepare(pair[::-1]).encoding)  # its pixels must not be read
    written = generate(lens, batch, max_new_tokens=6)
    assert generate(lens, swapped, max_new_tokens=6) == written
    turned = [-vectors for vectors in batch.forward_inputs["mm_encoder_outputs"]["image"].pooler_output]
    inputs = lens.family.with_image_features(batch.forward_inputs, turned)
    assert generate(lens, replace(batch, forward_inputs=inputs), max_new_tokens=6) != written


def test_a_picture_is_encoded_once_however_many_questions_it_has(lens: Lens) -> None:
    seen: list[int] = []
    handle = lens.hf_model.model.vision_tower.register_forward_pre_hook(
        lambda _m, args, kwargs: seen.append((args or (kwargs["pixel_values"],))[0].shape[0]),
        with_kwargs=True,
    )
    try:
        pictures = [noise_image(i) for i in range(2)]
        encode_images(lens, lens.prepare([Sample(p, question="what ?") for p in (*pictures, *pictures)]))
    finally:
        handle.remove()
    assert seen == [2]


def test_swapped_features_swap_the_answers(twins: Twins) -> None:
    lens, text = twins.lens, "is there a dog ?"
    pair = [Sample(noise_image(seed, *twins.sizes[1]), question=text) for seed in (1, 2)]
    records = run_pass(lens, encode_images(lens, lens.prepare(pair))).samples
    swapped = run_pass(lens, encode_images(lens, lens.prepare(pair[::-1]))).samples
    alone = [run_pass(lens, lens.prepare(sample)).samples[0] for sample in pair]
    for a, b, expected in zip(records, swapped[::-1], alone, strict=True):
        torch.testing.assert_close(a.logits, expected.logits, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(b.logits, expected.logits, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(records[0].logits, records[1].logits, atol=1e-3)
