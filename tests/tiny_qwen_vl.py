"""A tiny Qwen-VL with random weights and its processor, whose resampler queries look at their own cell."""

from typing import Any

import torch
from tiny_decoder import decoder_sizes, random_model
from tiny_tokenizer import word_tokenizer

from scr_lens.families.qwen_vl import QwenVLConfig, QwenVLForConditionalGeneration, build_processor

SPECIAL = ("<img>", "</img>", "<imgpad>")


def build_qwen_vl(*, gain: float = 6.0, vision_gain: float = 3.0) -> tuple[Any, Any]:
    tokenizer = word_tokenizer(SPECIAL)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    config = QwenVLConfig(
        text_config={
            **decoder_sizes(tokenizer, n_kv_heads=4),
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

    def gain_of(name: str) -> float:
        if "language_model" in name or "lm_head" in name:
            return gain
        seen = name.endswith(("conv1.weight", "kv_proj.weight")) or ".resblocks." in name
        return vision_gain if seen else 1

    model = random_model(QwenVLForConditionalGeneration, config, tokenizer, gain_of)
    with torch.no_grad():
        _look_at_own_cell(model.model.visual.attn_pool)
    return model, build_processor(tokenizer, config)


def _look_at_own_cell(resampler: Any) -> None:
    """Let queries and keys compare little but their positions."""
    width = resampler.query.shape[1]
    resampler.attn.in_proj_weight[: 2 * width] = torch.eye(width).repeat(2, 1) * 6
    resampler.ln_q.weight.fill_(0.03)
    # The norm behind the resampler undoes what this does to the values.
    resampler.ln_kv.weight.fill_(0.03)
