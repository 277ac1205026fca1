"""A model deepened by repeating blocks is the deep model whose blocks hold equal weights, in less memory."""

import copy
from typing import Any

import pytest
import torch
from families import TINY_FAMILIES
from tiny import QUESTIONS, noise_image

from scr_lens.families.published.repeat import repeat_blocks
from scr_lens.families.registry import family_for
from scr_lens.trace import CaptureSpec, Sample, run_pass, wrap

KEPT = 2


def shallow_and_deep(name: str) -> tuple[Any, Any, Any]:
    """A model cut to two blocks, one of four blocks whose last two hold copies of them, and the processor."""
    (shallow, processor), (deep, _) = TINY_FAMILIES[name].build(), TINY_FAMILIES[name].build()
    family = family_for(shallow.config.model_type)
    blocks = deep.get_submodule(family.layers_path)
    for index in range(KEPT, len(blocks)):
        blocks[index].load_state_dict(blocks[index % KEPT].state_dict())
    del shallow.get_submodule(family.layers_path)[KEPT:]
    text = family.text_config(shallow.config)
    text.num_hidden_layers = KEPT
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:KEPT]
    return shallow, deep, processor


@pytest.mark.parametrize("name", TINY_FAMILIES)
def test_it_computes_what_the_deep_model_computes(name: str) -> None:
    repeated, deep, processor = shallow_and_deep(name)
    held = sum(parameter.numel() for parameter in repeated.parameters())
    wanted = copy.deepcopy(deep.config)
    repeat_blocks(repeated, wanted)
    assert sum(parameter.numel() for parameter in repeated.parameters()) == held
    records = []
    for model in (repeated, deep):
        lens = wrap(model, processor, model_id="tiny")
        assert lens.n_layers == 4
        batch = lens.prepare([Sample(noise_image(), question=QUESTIONS[1])])
        records.append(run_pass(lens, batch, CaptureSpec(residuals=(0, 1, 2, 3))).samples[0])
    for layer in range(4):
        assert torch.equal(records[0].residuals[layer], records[1].residuals[layer])
    assert torch.equal(records[0].logits, records[1].logits)


def test_blocks_are_modules_of_their_own_with_their_own_index() -> None:
    repeated, deep, _ = shallow_and_deep("llava")
    repeat_blocks(repeated, deep.config)
    blocks = repeated.model.language_model.layers
    assert len({id(block) for block in blocks}) == 4
    assert [block.self_attn.layer_idx for block in blocks] == [0, 1, 2, 3]
    assert blocks[2].mlp.up_proj.weight is blocks[0].mlp.up_proj.weight
    assert blocks[3].mlp.up_proj.weight is blocks[1].mlp.up_proj.weight
    assert blocks[1].mlp.up_proj.weight is not blocks[0].mlp.up_proj.weight
