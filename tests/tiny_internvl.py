"""A tiny InternVL with random weights and its processor: 6 x 6 cells of 2 x 2 patches of 7 pixels."""

from typing import Any

from tiny_decoder import decoder_sizes, random_model
from tiny_tokenizer import word_tokenizer
from transformers import InternVLConfig, InternVLForConditionalGeneration
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from scr_lens.families import family_for

NAMED = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
SPECIAL = (*NAMED.values(), "<|im_start|>", "<|im_end|>")
SIDE = 84
PATCH = 7


def build_internvl(*, gain: float = 6.0, vision_gain: float = 3.0) -> tuple[Any, Any]:
    tokenizer = word_tokenizer(SPECIAL, ("user", "assistant"))
    tokenizer._set_model_specific_special_tokens(special_tokens=NAMED)
    config = InternVLConfig(
        text_config={
            "model_type": "qwen2",
            **decoder_sizes(tokenizer),
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": [SIDE, SIDE],
            "patch_size": [PATCH, PATCH],
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=(SIDE // PATCH // 2) ** 2,
        downsample_ratio=0.5,
    )
    model = random_model(
        InternVLForConditionalGeneration,
        config,
        tokenizer,
        lambda name: vision_gain if "vision" in name or "projector" in name else gain,
    )
    images = GotOcr2ImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, crop_to_patches=True, min_patches=1, max_patches=6
    )
    processor_class = family_for("internvl").processor_class
    return model, processor_class(images, tokenizer, image_seq_length=config.image_seq_length)
