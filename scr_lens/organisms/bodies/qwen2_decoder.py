"""Configuration of the Qwen2 decoder that Qwen-VL and Qwen2-VL organisms share."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerFast

from scr_lens.organisms.recipe import Recipe


def decoder_config(recipe: Recipe, tokenizer: PreTrainedTokenizerFast, n_key_heads: int) -> dict[str, Any]:
    """Text settings of the recipe's sizes, with transformers' own rotary settings."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": recipe.d_model,
        "intermediate_size": recipe.d_mlp,
        "num_hidden_layers": recipe.n_layers,
        "num_attention_heads": recipe.n_heads,
        "num_key_value_heads": n_key_heads,
        "max_position_embeddings": 1024,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
