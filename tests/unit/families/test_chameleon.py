"""Chameleon: the published grid, the tail of its prompts, codes that cannot be said, refusals."""

from typing import Any

import pytest
import torch
from tiny import noise_image
from tiny_chameleon import build_chameleon, code_name
from transformers import ChameleonConfig, ChameleonVQVAEConfig

from scr_lens.errors import ContractError
from scr_lens.families import family_for
from scr_lens.families.chameleon import stride
from scr_lens.grid import PatchGrid
from scr_lens.trace import Lens, Sample, run_pass, wrap


@pytest.fixture(scope="module")
def lens() -> Lens:
    return wrap(*build_chameleon())


def test_the_published_tokenizer_has_32_by_32_cells() -> None:
    config = ChameleonConfig(vq_config=ChameleonVQVAEConfig())
    pixels = torch.zeros(2, 3, 512, 512)
    assert stride(config) == 16
    assert family_for("chameleon").grids({"pixel_values": pixels}, config) == (PatchGrid(32, 32),) * 2


def test_an_image_that_is_not_square_has_its_own_grid() -> None:
    config = ChameleonConfig(vq_config=ChameleonVQVAEConfig())
    assert family_for("chameleon").grids({"pixel_values": torch.zeros(1, 3, 64, 160)}, config)[
        0
    ] == PatchGrid(4, 10)


def test_a_prompt_is_start_codes_end_question_separator(lens: Lens) -> None:
    batch = lens.prepare(Sample(noise_image(), question="is there a dog ?"))
    tokens = lens.processor.tokenizer.convert_ids_to_tokens(batch.encoding["input_ids"][0])
    image = ["<racm3:break>", *["<image>"] * 36, "<eoss>"]
    assert tokens == ["<s>", *image, "is", "there", "a", "dog", "?", "<reserved08706>"]
    tail = lens.family.template_tail(lens.processor, lens.config)
    assert lens.processor.tokenizer.convert_ids_to_tokens(tail) == ["<eoss>", "<reserved08706>"]
    assert len(batch.layouts[0].text_after_image) == 7
    assert len(batch.layouts[0].question) == 5


def test_a_chat_template_around_the_question_is_not_the_question(
    lens: Lens, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = (
        "{% for m in messages %}{% for c in m.content %}{% if c.type == 'image' %}<image>"
        "{% else %}USER: {{ c.text }} {% endif %}{% endfor %}{% endfor %}ASSISTANT:"
    )
    monkeypatch.setattr(lens.processor, "chat_template", template)
    batch = lens.prepare(Sample(noise_image(), question="is there a dog ?"))
    decoded = lens.processor.tokenizer.decode(batch.encoding["input_ids"][0][batch.layouts[0].question])
    assert decoded == "is there a dog ?"


def test_the_logits_of_codes_are_masked_and_the_rest_is_a_distribution(lens: Lens) -> None:
    record = run_pass(lens, lens.prepare(Sample(noise_image(), question="what ?"))).samples[0]
    codes = lens.processor.tokenizer.convert_tokens_to_ids([code_name(i) for i in range(64)])
    assert record.logits is not None
    assert (record.logits[codes] == torch.finfo(torch.float32).min).all()
    probabilities = record.logits.softmax(-1)
    assert probabilities[codes].sum() == 0
    assert probabilities.sum().item() == pytest.approx(1)


def test_features_are_the_embeddings_of_the_codes(lens: Lens) -> None:
    batch = lens.prepare([Sample(noise_image(i), question="what ?") for i in range(2)])
    codes = lens.hf_model.get_image_tokens(batch.encoding["pixel_values"])
    features = lens.family.image_features(lens.hf_model, batch.encoding, [1])
    assert features is not None
    assert torch.equal(features[0], lens.hf_model.get_input_embeddings()(codes[1]))
    assert len(codes.unique()) > 10


def lose_codes(config: Any, _: Any) -> None:
    config.vocabulary_map = {k: v for k, v in config.vocabulary_map.items() if k != code_name(3)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lose_codes, "names 63 image codes, the image tokenizer has 64"),
        (lambda config, _: setattr(config, "vocabulary_map", None), "names 0 image codes"),
        (
            lambda _, proc: setattr(proc, "image_seq_length", 64),
            "image_seq_length is 36 in the model's config but 64",
        ),
        (
            lambda _, proc: setattr(proc, "image_token_id", 1),
            "image_token_id is 4 in the model's config but 1",
        ),
    ],
)
def test_a_checkpoint_whose_parts_disagree_is_refused(change: Any, message: str) -> None:
    model, processor = build_chameleon()
    change(model.config, processor)
    with pytest.raises(ContractError, match=message) as caught:
        wrap(model, processor)
    assert "\n" not in str(caught.value)


def test_swin_norm_is_reported() -> None:
    family = family_for("chameleon")
    assert family.normalization(ChameleonConfig(swin_norm=True)) == "post-norm (swin_norm)"
    assert family.normalization(ChameleonConfig(swin_norm=False)) == "pre-norm"
