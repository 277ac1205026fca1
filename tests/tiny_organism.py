"""Organisms as checkpoint folders: the shipped recipes with their own pictures, sized down and untrained."""

from dataclasses import replace
from pathlib import Path

import torch

from scr_lens.organisms.bodies import body_for
from scr_lens.organisms.recipe import Recipe, recipe

ORGANISMS = {
    "llava": "llava-small",
    "chameleon": "chameleon-small",
    "qwen2_vl": "qwen2-vl-small",
    "qwen": "qwen-vl-small",
}
"""One recipe of every architecture."""
TINY_WIDTHS = {"llava": 16, "chameleon": 32, "qwen2_vl": 16, "qwen": 16}
"""An image tokenizer's group norms want at least 32 channels; a tower is as small as it can be."""


def tiny_recipe(model_type: str) -> Recipe:
    return replace(
        recipe(ORGANISMS[model_type]),
        vision_width=TINY_WIDTHS[model_type],
        vision_layers=1,
        n_codes=64,
        d_model=32,
        n_layers=4,
        d_mlp=24,
    )


def save_organism(model_type: str, folder: Path) -> Recipe:
    """Writes an untrained organism whose answers depend on what it sees, and returns its recipe."""
    tiny = tiny_recipe(model_type)
    body = body_for(model_type)
    processor = body.processor(tiny)
    model = body.model(tiny, processor)
    with torch.no_grad():
        for parameter in (*body.decoder(model).layers.parameters(), model.lm_head.weight):
            parameter.mul_(6 if parameter.ndim >= 2 else 1)
    model.config.scr_lens_organism = tiny.name
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return tiny
