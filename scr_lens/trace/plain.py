"""A model without anything of ours in it, on the same weights: what comparisons of cost are made against."""

from typing import Any

import torch

from scr_lens.trace.model import Lens


def plain_twin(lens: Lens, attention: str = "eager") -> Any:
    """Plain transformers with the weights of a lens.

    Args:
        lens: The model.
        attention: Attention implementation of the language model; the image tower keeps SDPA.

    Returns:
        A Hugging Face model that shares its parameters with the lens's and nothing else: no nnsight, no
        registered attention.
    """
    with torch.random.fork_rng(devices=[]):
        twin = type(lens.hf_model)(type(lens.config).from_dict(lens.config.to_dict()))
    twin = twin.to(lens.device, lens.hf_model.dtype).eval()
    twin.load_state_dict(lens.hf_model.state_dict(), assign=True)
    twin.set_attn_implementation(lens.family.attn_implementation(attention))
    twin.generation_config = lens.hf_model.generation_config
    return twin
