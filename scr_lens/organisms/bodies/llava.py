"""LLaVA organisms: a CLIP tower, a projector, a Llama decoder."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from scr_lens.organisms.bodies.base import PIXEL_MEAN, PIXEL_STD, Body
from scr_lens.organisms.language import CHAT_TEMPLATE, IMAGE_TOKEN, build_tokenizer
from scr_lens.organisms.recipe import Recipe


class LlavaBody(Body):
    """`LlavaForConditionalGeneration`."""

    model_type = "llava"

    def processor(self, recipe: Recipe) -> LlavaProcessor:
        """Pictures resized to the recipe's canvas, one token per patch."""
        canvas = recipe.only_canvas
        image_processor = CLIPImageProcessorPil(
            size={"shortest_edge": canvas.height},
            crop_size={"height": canvas.height, "width": canvas.width},
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

    def model(self, recipe: Recipe, processor: LlavaProcessor) -> LlavaForConditionalGeneration:
        """CLIP tower and Llama decoder of the recipe's sizes."""
        tokenizer = processor.tokenizer
        torch.manual_seed(recipe.seed)
        config = LlavaConfig(
            vision_config=_vision_config(recipe),
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
            image_seq_length=recipe.grid(recipe.only_canvas).size,
            vision_feature_layer=-1,
            vision_feature_select_strategy="default",
        )
        model = LlavaForConditionalGeneration._from_config(
            config, attn_implementation="eager", dtype=torch.float32
        )
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        return model

    def encoder(self, model: LlavaForConditionalGeneration) -> nn.Module:
        """The CLIP tower."""
        return model.model.vision_tower

    def patch_features(
        self, model: LlavaForConditionalGeneration, pixels: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch patch feature"]:
        """The tower's output at patches, class token dropped: what the projector reads."""
        outputs = model.model.vision_tower(pixels, output_hidden_states=True)
        return outputs.hidden_states[model.config.vision_feature_layer][:, 1:]

    def image_embeddings(
        self, model: LlavaForConditionalGeneration, features: Float[Tensor, "batch patch feature"]
    ) -> Float[Tensor, "batch patch d_model"]:
        """The projector's output."""
        return model.model.multi_modal_projector(features)

    def scale_image_embeddings(self, model: LlavaForConditionalGeneration, factor: Tensor) -> None:
        """Scales the projector's last layer."""
        last = model.model.multi_modal_projector.linear_2
        last.weight.mul_(factor)
        last.bias.mul_(factor)

    def decoder(self, model: LlavaForConditionalGeneration) -> nn.Module:
        """The Llama decoder."""
        return model.model.language_model


def _vision_config(recipe: Recipe) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=recipe.vision_width,
        intermediate_size=4 * recipe.vision_width,
        num_hidden_layers=recipe.vision_layers,
        num_attention_heads=2,
        image_size=recipe.only_canvas.height,
        patch_size=recipe.patch,
        projection_dim=recipe.vision_width,
    )
