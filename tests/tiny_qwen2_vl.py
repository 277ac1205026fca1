"""Tiny Qwen2-VL and Qwen2.5-VL models with random weights and their processors: cells of 28 pixels."""

from typing import Any

from tiny_decoder import decoder_sizes, random_model
from tiny_tokenizer import word_tokenizer
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from scr_lens.families import family_for

SPECIAL = (
    "<|image_pad|>",
    "<|video_pad|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|im_start|>",
    "<|im_end|>",
)
CELL = 28


def build_qwen2_vl(*, gain: float = 6.0, vision_gain: float = 3.0) -> tuple[Any, Any]:
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "mlp_ratio": 2}
    return _build(Qwen2VLConfig, Qwen2VLForConditionalGeneration, vision, gain, vision_gain)


def build_qwen2_5_vl(*, gain: float = 6.0, vision_gain: float = 3.0) -> tuple[Any, Any]:
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "out_hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 4,
        "window_size": 2 * CELL,
        "fullatt_block_indexes": [1],
    }
    return _build(Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, vision, gain, vision_gain)


def _build(
    config_class: Any, model_class: Any, vision: dict[str, Any], gain: float, vision_gain: float
) -> Any:
    tokenizer = word_tokenizer(SPECIAL)
    ids = dict(zip(SPECIAL, tokenizer.convert_tokens_to_ids(list(SPECIAL)), strict=True))
    config = config_class(
        text_config={
            **decoder_sizes(tokenizer),
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0},
        },
        vision_config=vision | {"patch_size": CELL // 2, "spatial_merge_size": 2, "temporal_patch_size": 2},
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    model = random_model(
        model_class, config, tokenizer, lambda name: vision_gain if "visual" in name else gain
    )
    images = Qwen2VLImageProcessorPil(size={"shortest_edge": 4 * CELL**2, "longest_edge": 64 * CELL**2})
    processor_class = family_for(config.model_type).processor_class
    return model, processor_class(images, tokenizer)
