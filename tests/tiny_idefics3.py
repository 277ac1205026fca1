"""Tiny Idefics3 and SmolVLM models with random weights and their processors: 6 x 6 cells."""

from collections.abc import Callable
from typing import Any

from tiny_decoder import decoder_sizes, random_model
from tiny_tokenizer import word_tokenizer
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from scr_lens.families import family_for

TILES = tuple(f"<row_{row}_col_{col}>" for row in range(1, 7) for col in range(1, 7))
SPECIAL = ("<image>", "<fake_token_around_image>", "<end_of_utterance>")
MORE = ("<global-img>", "<video>", *TILES, "User:", "Assistant:")
CELLS = 6
PATCH = 7


def build_idefics3(*, gain: float = 6.0, vision_gain: float = 3.0) -> tuple[Any, Any]:
    tokenizer, config = _parts(Idefics3Config, scale_factor=2)
    images = Idefics3ImageProcessorPil(**_image_settings(scale_factor=2))
    processor = Idefics3Processor(images, tokenizer, image_seq_len=CELLS**2)
    gains = _gains(gain, vision_gain)
    return random_model(Idefics3ForConditionalGeneration, config, tokenizer, gains), processor


def build_smolvlm(*, gain: float = 6.0, vision_gain: float = 3.0) -> tuple[Any, Any]:
    tokenizer, config = _parts(SmolVLMConfig, scale_factor=3)
    images = SmolVLMImageProcessorPil(**_image_settings(scale_factor=3))
    processor = family_for("smolvlm").processor_class(images, tokenizer, image_seq_len=CELLS**2)
    gains = _gains(gain, vision_gain)
    return random_model(SmolVLMForConditionalGeneration, config, tokenizer, gains, seed=1), processor


def _image_settings(scale_factor: int) -> dict[str, Any]:
    side = CELLS * PATCH * scale_factor
    return {
        "size": {"longest_edge": 2 * side},
        "max_image_size": {"longest_edge": side},
        "do_image_splitting": True,
    }


def _parts(config_class: Any, scale_factor: int) -> tuple[Any, Any]:
    tokenizer = word_tokenizer(SPECIAL, MORE)
    config = config_class(
        text_config={
            "model_type": "llama",
            **decoder_sizes(tokenizer),
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": CELLS * PATCH * scale_factor,
            "patch_size": PATCH,
        },
        scale_factor=scale_factor,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    return tokenizer, config


def _gains(gain: float, vision_gain: float) -> Callable[[str], float]:
    return lambda name: vision_gain if "vision" in name or "connector" in name else gain
