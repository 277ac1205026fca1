"""The published models have their true sizes and grids, and get usable random weights."""

import pytest
import torch

from scr_lens.errors import ConfigError
from scr_lens.families.published import PUBLISHED, build_published, read_published
from scr_lens.families.published.build import published_config, stand_in_tokenizer
from scr_lens.families.registry import family_for
from scr_lens.layout import build_layout
from scr_lens.real_size import QUESTION, noise_photo

# Vocabulary, width, MLP width, blocks, heads, key-value heads; grid of a 640 x 480 picture, prompt's limit.
KNOWN = {
    "llava-1.5-7b": ((32064, 4096, 11008, 32, 32, 32), (24, 24), 4096),
    "llava-1.5-13b": ((32064, 5120, 13824, 40, 40, 40), (24, 24), 4096),
    "chameleon-7b": ((65536, 4096, 11008, 32, 32, 32), (32, 32), 4096),
    "chameleon-30b": ((65536, 8192, 22016, 48, 64, 8), (32, 32), 4096),
    "qwen-vl": ((151936, 4096, 11008, 32, 32, 32), (16, 16), 2048),
    "qwen2-vl-7b": ((152064, 3584, 18944, 28, 28, 4), (17, 23), 32768),
}


def decoder_parameters(
    name: str, vocabulary: int, width: int, mlp: int, blocks: int, heads: int, kv_heads: int
) -> int:
    """Closed form of the language model's size."""
    head = width // heads
    block = 2 * width * width + 2 * width * kv_heads * head + 3 * width * mlp + 2 * width
    if name.startswith("qwen"):
        block += width + 2 * kv_heads * head  # biases of query, key and value
    if name.startswith("chameleon"):
        block += 2 * head * (heads + kv_heads)  # weight and bias of a normalization per head
    return 2 * vocabulary * width + blocks * block + width


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_and_grids_are_the_published_ones(name: str) -> None:
    facts = read_published(name)
    sizes, grid, limit = KNOWN[name]
    model, processor = build_published(facts, dtype=torch.bfloat16, device="meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == facts.parameters
    towers = ("vision_tower", "multi_modal_projector", "vqmodel", "visual")
    decoder = sum(
        parameter.numel()
        for path, parameter in model.named_parameters()
        if not any(tower in path for tower in towers)
    )
    assert decoder == decoder_parameters(name, *sizes)
    family, config = family_for(facts.model_type), model.config
    family.check(config, processor)
    encoding = family.encode(processor, [noise_photo()], [family.prompt(processor, QUESTION)])
    found = family.grids(encoding, config)[0]
    assert (found.height, found.width) == grid
    assert int((encoding["input_ids"] == image_id(name)).sum()) == grid[0] * grid[1]
    ids, mask, tail = (
        encoding["input_ids"][0],
        encoding["attention_mask"][0],
        family.template_tail(processor, config),
    )
    layout = build_layout(ids, mask, family.image_token_id(config), found, tail)
    assert len(layout.question) == len(QUESTION.split())
    assert family.text_config(config).max_position_embeddings == limit
    assert family.normalization(config).startswith("post" if name == "chameleon-30b" else "pre")
    assert facts.source


def image_id(name: str) -> int:
    family = name.split("-")[0]
    return {"llava": 32000, "chameleon": 8711, "qwen": 151859, "qwen2": 151655}[family]


def test_the_question_is_made_of_known_words() -> None:
    for name in PUBLISHED:
        tokenizer = stand_in_tokenizer(read_published(name))
        ids = tokenizer(QUESTION)["input_ids"]
        unknown = [tokenizer.convert_ids_to_tokens(i) for i in ids if i == tokenizer.unk_token_id]
        assert len(unknown) == 0, name
        assert {"yes", "Yes", "no", "No"} <= set(tokenizer.get_vocab())


def test_a_model_can_be_cut_but_not_stretched() -> None:
    facts = read_published("qwen2-vl-7b")
    tokenizer = stand_in_tokenizer(facts)
    assert published_config(facts, tokenizer, 3).text_config.num_hidden_layers == 3
    for wrong in (0, 29):
        with pytest.raises(ConfigError, match=f"--layers {wrong}: qwen2-vl-7b has 28 decoder blocks"):
            published_config(facts, tokenizer, wrong)


def test_an_unknown_name_is_refused_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"'llava-1\.5-7'; did you mean 'llava-1.5-7b'"):
        read_published("llava-1.5-7")
