"""Packed rows hold every sample's own tokens, and every token sees exactly its own sample."""

from dataclasses import replace

import torch
from tiny import Twins, noise_image

from scr_lens.trace import Batch, Lens, Sample, encode_images
from scr_lens.trace.packing import PADDING, PREFIX, Packing, pack, sample_inputs, token_inputs

ASKED = ((0, "is there a dog ?"), (0, "what ?"), (1, "describe ."), (0, "is there a cat on the left ?"))


def packed(lens: Lens) -> tuple[Batch, Packing]:
    pictures = noise_image(0), noise_image(1)
    samples = [Sample(pictures[index], question=text) for index, text in ASKED]
    batch = encode_images(lens, lens.prepare(samples))
    return batch, pack(batch)


def test_what_the_last_token_sees_is_the_samples_own_prompt(lens: Lens) -> None:
    batch, packing = packed(lens)
    inputs, mask = packing.forward_inputs(), packing.mask()
    assert packing.n_tokens == mask.shape[0] * mask.shape[-1] < len(batch) * batch.seq_len
    for sample, layout in enumerate(batch.layouts):
        row, moved = packing.placement.rows[sample], packing.placement.layouts[sample]
        seen = mask[row, 0, moved.last].nonzero().flatten()
        for name in ("input_ids", "position_ids"):
            own = batch.forward_inputs[name][sample, layout.n_pad :]
            assert torch.equal(inputs[name][row, seen], own)


def test_the_mask_is_that_of_a_loop_over_pairs(lens: Lens) -> None:
    _, packing = packed(lens)
    assert (packing.segments == PADDING).any()
    for row, segments in enumerate(packing.segments.tolist()):
        for query, mine in enumerate(segments):
            for key, other in enumerate(segments):
                related = other == PREFIX or (other == mine and mine != PADDING)
                expected = query == key or (key < query and related)
                assert bool(packing.mask()[row, 0, query, key]) == expected


def test_moved_layouts_point_at_the_same_tokens(lens: Lens) -> None:
    batch, packing = packed(lens)
    ids = packing.forward_inputs()["input_ids"]
    for sample, layout in enumerate(batch.layouts):
        row, moved = packing.placement.rows[sample], packing.placement.layouts[sample]
        for name in ("image_positions", "text_after_image", "question"):
            before = batch.forward_inputs["input_ids"][sample, getattr(layout, name)]
            assert torch.equal(ids[row, getattr(moved, name)], before)
        assert int(packing.answers[packing.placement.slots[sample]]) == moved.last


def test_image_tokens_are_there_once_per_row(lens: Lens) -> None:
    batch, packing = packed(lens)
    ids = packing.forward_inputs()["input_ids"]
    n_patches = batch.layouts[0].grid.size
    assert (ids == lens.config.image_token_id).sum(-1).tolist() == [n_patches, n_patches]


def test_what_belongs_to_a_picture_is_that_of_its_first_sample(lens: Lens) -> None:
    batch, _ = packed(lens)
    inputs = {**batch.forward_inputs, "size": torch.tensor([[6, 6], [6, 6], [9, 4], [6, 6]])}
    rows = pack(replace(batch, forward_inputs=inputs)).forward_inputs()
    assert rows["size"].tolist() == [[6, 6], [9, 4]]


def test_common_words_behind_the_image_belong_to_the_prefix(lens: Lens) -> None:
    image = noise_image()
    texts = ("is there a dog", "is there a cat on", "is there the ball")
    batch = lens.prepare([Sample(image, prompt=f"<image> {text}") for text in texts])
    packing = pack(encode_images(lens, batch))
    before_and_image = int(batch.layouts[1].image_positions[-1]) + 1 - batch.layouts[1].n_pad
    assert int((packing.segments == PREFIX).sum()) == before_and_image + 2
    assert sorted((packing.segments == slot).sum().item() for slot in (1, 2, 3)) == [2, 2, 3]


def test_inputs_are_told_apart_by_shape(twins: Twins) -> None:
    pictures = [noise_image(index, *size) for index, size in enumerate(twins.sizes)]
    samples = [Sample(pictures[index], question=text) for index, text in ASKED]
    inputs = encode_images(twins.lens, twins.lens.prepare(samples)).forward_inputs
    tokens, per_sample = set(token_inputs(inputs)), set(sample_inputs(inputs))
    assert {"input_ids", "position_ids"} <= tokens
    assert not tokens & per_sample
    assert tokens | per_sample | {"attention_mask", "mm_encoder_outputs"} == set(inputs)
