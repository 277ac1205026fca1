"""Sharing image features between questions changes what is computed, not what comes out."""

import torch
from tiny import noise_image

from scr_lens.config import LayerRange
from scr_lens.trace import CaptureSpec, Sample, encode_images, run_pass

CAPTURE = CaptureSpec(attention=LayerRange(0, 3), residuals=(0, 3))


def shared_samples():
    first, second = noise_image(1), noise_image(2)
    asked = ((first, "is there a dog ?"), (second, "describe ."), (first, "is there a red ball ?"))
    return [Sample(image, question=text) for image, text in asked]


def test_features_once_per_picture_give_the_plain_pass(lens):
    batch = lens.prepare(shared_samples())
    plain = run_pass(lens, batch, CAPTURE).samples
    shared = run_pass(lens, encode_images(lens, batch), CAPTURE).samples
    for a, b in zip(plain, shared, strict=True):
        assert torch.allclose(a.logits, b.logits, atol=1e-5)
        assert torch.allclose(a.attention, b.attention, atol=1e-6)
        for layer in (0, 3):
            assert torch.allclose(a.residuals[layer], b.residuals[layer], rtol=1e-4, atol=1e-5)


def test_the_tower_runs_once_per_distinct_picture(lens):
    seen = []
    tower = lens.hf_model.model.vision_tower
    handle = tower.register_forward_pre_hook(
        lambda _m, args, kwargs: seen.append((args or (kwargs["pixel_values"],))[0].shape[0]),
        with_kwargs=True,
    )
    try:
        batch = encode_images(lens, lens.prepare(shared_samples()))
        assert seen == [2]
        run_pass(lens, batch, CAPTURE)
        run_pass(lens, batch, CAPTURE)
        assert seen == [2]
    finally:
        handle.remove()


def test_swapped_features_swap_the_answers(lens):
    first, second = noise_image(1), noise_image(2)
    text = "is there a dog ?"
    batch = encode_images(lens, lens.prepare([Sample(first, question=text), Sample(second, question=text)]))
    features = batch.forward_inputs["mm_encoder_outputs"]["image"].pooler_output
    assert len(features) == 2 and not torch.equal(features[0], features[1])
    records = run_pass(lens, batch).samples
    alone = [
        run_pass(lens, lens.prepare(Sample(image, question=text))).samples[0] for image in (first, second)
    ]
    for a, b in zip(records, alone, strict=True):
        assert torch.allclose(a.logits, b.logits, atol=1e-5)
    assert not torch.allclose(records[0].logits, records[1].logits, atol=1e-3)
