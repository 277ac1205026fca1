import numpy as np
import pytest
import torch
from PIL import Image

from scr_lens.errors import DataError
from scr_lens.families import family_for
from scr_lens.organisms.bodies import body_for
from scr_lens.organisms.bodies.qwen2_vl import merge_order
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.initialization import initialize
from scr_lens.organisms.packing import IGNORED, Packer
from scr_lens.organisms.training import packed_hidden

CPU = torch.device("cpu")


def alone_inputs(processor, packer, pixels, ids):
    """Model inputs of one sequence, its picture as the processor prepares it."""
    family = family_for(packer.body.model_type)
    encoding = family.encode(processor, [Image.fromarray(pixels)], [family.prompt(processor, "?")])
    pictures = {k: v for k, v in encoding.items() if k not in ("input_ids", "attention_mask")}
    if "mm_token_type_ids" in pictures:
        pictures["mm_token_type_ids"] = (ids == processor.image_token_id).long()
    return {**pictures, "input_ids": ids}


def packed_logits(model, batch, packer):
    features = packer.body.patch_features(model, batch.pixels)
    hidden = packed_hidden(model, packer.body, batch, features, packer)
    return model.lm_head(hidden[batch.targets != IGNORED])


@pytest.fixture(scope="module")
def setup(tiny_recipe, tiny_corpus):
    body = body_for(tiny_recipe.model_type)
    processor = body.processor(tiny_recipe)
    model = body.model(tiny_recipe, processor).eval()
    initialize(model, body, processor, tiny_corpus, CPU)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(6)  # at the initial scale attention hardly matters and any mask would pass
    packer = Packer(tiny_corpus, processor.tokenizer, tiny_recipe, body)
    return model, processor, packer


def test_a_packed_slot_is_the_question_asked_alone(setup, tiny_recipe):
    model, processor, packer = setup
    pictures = np.array([3, 5])
    batch = packer.batch(pictures, np.random.default_rng(0), CPU)
    with torch.no_grad():
        packed = packed_logits(model, batch, packer)
    prefix, start, alone = len(packer.prefix), len(packer.prefix), []
    slots = []
    for width in packer.widths:
        slots.append((start, width))
        start += width
    for row in range(2):
        for start, width in slots:
            kept = batch.targets[row, start : start + width] != IGNORED
            n = int(kept.nonzero().max()) + 1
            ids = torch.cat([batch.input_ids[row, :prefix], batch.input_ids[row, start : start + n]])[None]
            with torch.no_grad():
                inputs = alone_inputs(processor, packer, packer.corpus.pixels[pictures[row]], ids)
                out = model(**inputs).logits[0, prefix:]
            alone.append(out[kept[:n]])
    words = torch.cat(alone) > -1e30  # Chameleon masks its image codes, which no target is
    assert torch.allclose(packed[words], torch.cat(alone)[words], atol=1e-4)
    assert packed.std() > 0.1


def test_targets_are_the_next_tokens(setup):
    _, processor, packer = setup
    batch = packer.batch(np.array([0]), np.random.default_rng(1), CPU)
    tokenizer = processor.tokenizer
    asked, start = [], len(packer.prefix)
    for width in packer.widths:
        ids, targets = batch.input_ids[0, start : start + width], batch.targets[0, start : start + width]
        where = (targets != IGNORED).nonzero().flatten()
        assert torch.equal(targets[where[:-1]], ids[where[:-1] + 1])
        assert targets[where[-1]] == tokenizer.eos_token_id
        asked.append(tokenizer.decode(ids[: where[0] + 1]))
        start += width
    end = "".join(packer.body.tail.split("}")[1].lower().split())
    assert all("".join(text.split()).endswith(end) for text in asked)


def test_the_prompt_is_the_processors(setup, tiny_corpus):
    _, processor, packer = setup
    text = family_for(packer.body.model_type).prompt(processor, "Can you see a dog?")
    image = Image.fromarray(tiny_corpus.pixels[2])
    ids = processor(images=image, text=text, return_tensors="pt")
    slot, *_ = packer._slot("Can you see a dog?", "yes", packer.question_width)
    prompt = [t for t in slot if t != packer._pad][:-1]
    assert ids["input_ids"][0].tolist() == packer.prefix + prompt
    pixels = packer.body.normalize(tiny_corpus.pixels[2:3], CPU)
    if packer.body.model_type == "qwen2_vl":
        pixels = merge_order(pixels, 4)
    assert torch.allclose(ids["pixel_values"], pixels, atol=1e-4)


def test_every_question_and_caption_fits_its_slot(setup, tiny_corpus, tiny_recipe):
    _, _, packer = setup
    rng = np.random.default_rng(2)
    for index in range(len(tiny_corpus)):
        ids, *_ = packer._row(index, rng)
        assert (
            len(ids)
            == len(packer.prefix) + tiny_recipe.questions * packer.question_width + packer.caption_width
        )


def test_a_text_too_long_for_its_slot_is_refused(setup):
    packer = setup[2]
    with pytest.raises(DataError, match=f"over {packer.question_width} tokens"):
        packer._slot("Is there a dog in the image? " * 3, "yes", packer.question_width)


def test_the_name_of_every_question_is_marked(setup):
    _, processor, packer = setup
    batch = packer.batch(np.arange(8), np.random.default_rng(4), CPU)
    marked = processor.tokenizer.convert_ids_to_tokens(batch.input_ids[batch.is_name].tolist())
    assert set(marked) <= {name.split()[-1] for name in CATEGORY_NAMES}
    assert len(marked) == int(batch.is_answer.sum())


def test_the_mask_lets_no_slot_see_another(setup):
    packer = setup[2]
    open_ = packer.mask(CPU, torch.float32)[0, 0] == 0
    n, width = len(packer.prefix), packer.question_width
    assert open_[n + width, :n].all() and not open_[n + width, n : n + width].any()
    assert not open_.triu(1).any() and open_.diagonal().all()
