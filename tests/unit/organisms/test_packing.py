import numpy as np
import pytest
import torch

from scr_lens.errors import DataError
from scr_lens.organisms.architecture import build_model, build_processor
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.packing import CAPTION_WIDTH, IGNORED, QUESTION_WIDTH, Packer, normalize
from scr_lens.organisms.training import losses, packed_hidden, patch_features, presence_loss

CPU = torch.device("cpu")


def packed_logits(model, batch, mask, positions):
    features = patch_features(model, batch.pixels)
    return model.lm_head(packed_hidden(model, batch, features, mask, positions)[batch.targets != IGNORED])


@pytest.fixture(scope="module")
def setup(tiny_recipe, tiny_corpus):
    processor = build_processor(tiny_recipe)
    model = build_model(tiny_recipe, processor).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6)  # at the initial scale attention hardly matters and any mask would pass
    packer = Packer(tiny_corpus, processor.tokenizer, tiny_recipe, model.config.image_token_id)
    return model, processor, packer


def test_a_packed_slot_is_the_question_asked_alone(setup, tiny_recipe):
    model, _, packer = setup
    batch = packer.batch(np.array([3, 5]), np.random.default_rng(0), CPU)
    with torch.no_grad():
        packed = packed_logits(model, batch, packer.mask(CPU, torch.float32), packer.positions(CPU))
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
                out = model(input_ids=ids, pixel_values=batch.pixels[row : row + 1]).logits[0, prefix:]
            alone.append(out[kept[:n]])
    assert torch.allclose(packed, torch.cat(alone), atol=1e-4)
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
    assert all(text.endswith("assistant:") for text in asked)


def test_the_prompt_is_the_processors(setup, tiny_corpus):
    _, processor, packer = setup
    message = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Can you see a dog?"}]}
    ]
    text = processor.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
    from PIL import Image

    image = Image.fromarray(tiny_corpus.pixels[2])
    ids = processor(images=image, text=text, return_tensors="pt")
    slot, *_ = packer._slot("Can you see a dog?", "yes", QUESTION_WIDTH)
    prompt = [t for t in slot if t != packer._pad][:-1]
    assert ids["input_ids"][0].tolist() == packer.prefix + prompt
    assert torch.allclose(ids["pixel_values"], normalize(tiny_corpus.pixels[2:3], CPU), atol=1e-5)


def test_every_question_and_caption_fits_its_slot(setup, tiny_corpus, tiny_recipe):
    _, _, packer = setup
    rng = np.random.default_rng(2)
    for index in range(len(tiny_corpus)):
        ids, *_ = packer._row(index, rng)
        assert len(ids) == len(packer.prefix) + tiny_recipe.questions * QUESTION_WIDTH + CAPTION_WIDTH


def test_a_text_too_long_for_its_slot_is_refused(setup):
    with pytest.raises(DataError, match="over 13 tokens"):
        setup[2]._slot("Is there a dog in the image? " * 3, "yes", QUESTION_WIDTH)


def test_the_name_of_every_question_is_marked(setup):
    _, processor, packer = setup
    batch = packer.batch(np.arange(8), np.random.default_rng(4), CPU)
    marked = processor.tokenizer.convert_ids_to_tokens(batch.input_ids[batch.is_name].tolist())
    assert set(marked) <= {name.split()[-1] for name in CATEGORY_NAMES}
    assert len(marked) == int(batch.is_answer.sum())
    yes = processor.tokenizer.convert_tokens_to_ids("yes")
    said = (batch.targets[batch.is_answer] == yes).double()
    presence = torch.linspace(-2, 2, len(said), dtype=torch.float64)
    p = 1 / (1 + np.exp(-presence.numpy()))
    by_hand = -np.mean(np.where(said.numpy() == 1, np.log(p), np.log(1 - p)))
    assert float(presence_loss(presence, batch, yes)) == pytest.approx(by_hand, rel=1e-5)


def test_losses_by_hand(setup):
    model, processor, packer = setup
    batch = packer.batch(np.array([1]), np.random.default_rng(3), CPU)
    with torch.no_grad():
        logits = packed_logits(model, batch, packer.mask(CPU, torch.float32), packer.positions(CPU))
    end = processor.tokenizer.eos_token_id
    yes_no, told, accuracy = losses(logits, batch, end)
    targets = batch.targets[batch.targets != IGNORED].tolist()
    answers = {processor.tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no")}
    log_probs = torch.log_softmax(logits.double(), -1)
    answer_terms, end_terms, caption_terms, right = [], [], [], []
    for k, target in enumerate(targets):
        term = -float(log_probs[k, target])
        if target in answers:
            answer_terms.append(term)
            right.append(int(logits[k].argmax()) == target)
        elif target == end and targets[k - 1] in answers:
            end_terms.append(term)
        else:
            caption_terms.append(term)
    assert float(yes_no) == pytest.approx(np.mean(answer_terms) + 0.05 * np.mean(end_terms), rel=1e-5)
    assert float(told) == pytest.approx(np.mean(caption_terms), rel=1e-5)
    assert accuracy == pytest.approx(np.mean(right))


def test_the_mask_lets_no_slot_see_another(setup):
    packer = setup[2]
    open_ = packer.mask(CPU, torch.float32)[0, 0] == 0
    n, width = len(packer.prefix), QUESTION_WIDTH
    assert open_[n + width, :n].all() and not open_[n + width, n : n + width].any()
    assert not open_.triu(1).any() and open_.diagonal().all()
