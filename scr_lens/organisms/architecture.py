"""Building an untrained organism: real transformers classes, configured small."""

from __future__ import annotations

import torch
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from scr_lens.organisms.language import CHAT_TEMPLATE, IMAGE_TOKEN, build_tokenizer
from scr_lens.organisms.recipe import Recipe

PIXEL_MEAN, PIXEL_STD = 0.5, 0.25
"""Normalization of pixel values, the same for every channel."""


def build_processor(recipe: Recipe) -> LlavaProcessor:
    """The processor of a LLaVA organism: pictures resized to `side`, one token per patch."""
    image_processor = CLIPImageProcessorPil(
        size={"shortest_edge": recipe.side},
        crop_size={"height": recipe.side, "width": recipe.side},
        image_mean=[PIXEL_MEAN] * 3,
        image_std=[PIXEL_STD] * 3,
    )
    return LlavaProcessor(
        image_processor=image_processor,
        tokenizer=build_tokenizer(),
        patch_size=recipe.patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )


def build_model(recipe: Recipe, processor: LlavaProcessor) -> LlavaForConditionalGeneration:
    """An untrained LLaVA of the recipe's sizes, seeded, in float32 with eager attention.

    Eager attention is the faster one to train on CPUs (measured); it does not change what is learned.
    """
    tokenizer = processor.tokenizer
    torch.manual_seed(recipe.seed)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=recipe.vision_width,
            intermediate_size=4 * recipe.vision_width,
            num_hidden_layers=recipe.vision_layers,
            num_attention_heads=2,
            image_size=recipe.side,
            patch_size=recipe.patch,
            projection_dim=recipe.vision_width,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.d_model,
            intermediate_size=recipe.d_mlp,
            num_hidden_layers=recipe.n_layers,
            num_attention_heads=recipe.n_heads,
            num_key_value_heads=recipe.n_heads,
            max_position_embeddings=1024,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        image_seq_length=recipe.n_image_tokens,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    model = LlavaForConditionalGeneration._from_config(
        config, attn_implementation="eager", dtype=torch.float32
    )
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model
