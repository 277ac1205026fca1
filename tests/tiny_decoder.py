"""What the tiny models of the families share: sizes, and weights that make every block count."""

from collections.abc import Callable
from typing import Any

import torch


def decoder_sizes(tokenizer: Any, *, n_kv_heads: int = 2) -> dict[str, Any]:
    """Settings of a language model of 4 blocks, 32 wide, with 4 heads."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": n_kv_heads,
        "max_position_embeddings": 2048,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def random_model(
    model_class: Any, config: Any, tokenizer: Any, gain: Callable[[str], float], seed: int = 0
) -> Any:
    """An eager model with the same random weights at every call, matrices scaled by what their name gets."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class._from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim >= 2:
                parameter.mul_(gain(name))
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = None
    return model.eval()
