"""A tiny Qwen-VL with random weights and its processor, whose resampler queries look at their own cell."""

from typing import Any

import torch
from tiny_tokenizer import word_tokenizer

from scr_lens.families.qwen_vl import QwenVLConfig, QwenVLForConditionalGeneration, build_processor

SPECIAL = ("<img>", "</img>", "<imgpad>")


def build_qwen_vl(*, gain: float = 6.0, vision_gain: float = 3.0) -> tuple[Any, Any]:
    tokenizer = word_tokenizer(SPECIAL)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    config = QwenVLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 2048,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        },
        vision_config={
            "image_size": 84,
            "patch_size": 7,
            "width": 32,
            "layers": 2,
            "heads": 4,
            "mlp_ratio": 2.0,
            "n_positions": 16,
            "n_queries": 36,
            "output_dim": 32,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<imgpad>"),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = QwenVLForConditionalGeneration._from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "language_model" in name or "lm_head" in name:
                parameter.mul_(gain if parameter.ndim >= 2 else 1)
            elif name.endswith(("conv1.weight", "kv_proj.weight")) or ".resblocks." in name:
                parameter.mul_(vision_gain if parameter.ndim >= 2 else 1)
        _look_at_own_cell(model.model.visual.attn_pool)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = None
    return model.eval(), build_processor(tokenizer, config)


def _look_at_own_cell(resampler: Any) -> None:
    """Let queries and keys compare little but their positions."""
    width = resampler.query.shape[1]
    resampler.attn.in_proj_weight[: 2 * width] = torch.eye(width).repeat(2, 1) * 6
    resampler.ln_q.weight.fill_(0.03)
    # The norm behind the resampler undoes what this does to the values.
    resampler.ln_kv.weight.fill_(0.03)
