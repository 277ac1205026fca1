"""Qwen2-VL organisms: pictures of several shapes, patches merged in squares, three rotary axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from scr_lens.families.qwen2_vl import ImageOnlyProcessor, rotary_positions
from scr_lens.grid import PatchGrid
from scr_lens.organisms.bodies.base import PIXEL_MEAN, PIXEL_STD, Body
from scr_lens.organisms.bodies.qwen2_decoder import decoder_config
from scr_lens.organisms.language import build_tokenizer
from scr_lens.organisms.recipe import Recipe

IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"
START, END = "<|vision_start|>", "<|vision_end|>"
TURN, TURN_END = "<|im_start|>", "<|im_end|>"
MERGE = 2
"""Patches on a side of an image token, as in the published checkpoints."""
FRAMES = 2
"""Copies of a still image that the tower takes as frames, as in the published checkpoints."""


class Qwen2VLBody(Body):
    """`Qwen2VLForConditionalGeneration`."""

    model_type = "qwen2_vl"
    placeholder = IMAGE
    head = f"{TURN}system\nYou are a helpful assistant.{TURN_END}\n{TURN}user\n"
    tail = f"{{question}}{TURN_END}\n{TURN}assistant\n"

    def processor(self, recipe: Recipe) -> ImageOnlyProcessor:
        """Pictures keep their shape; those of the recipe's canvases also keep their size."""
        areas = [canvas.height * canvas.width for canvas in recipe.canvases]
        image_processor = Qwen2VLImageProcessorPil(
            size={"shortest_edge": min(areas) // 2, "longest_edge": max(areas)},
            patch_size=recipe.patch // MERGE,
            temporal_patch_size=FRAMES,
            merge_size=MERGE,
            image_mean=[PIXEL_MEAN] * 3,
            image_std=[PIXEL_STD] * 3,
        )
        tokenizer = build_tokenizer((IMAGE, VIDEO, START, END, TURN, TURN_END), ("system", "helpful"))
        return ImageOnlyProcessor(image_processor=image_processor, tokenizer=tokenizer)

    def model(self, recipe: Recipe, processor: Any) -> Qwen2VLForConditionalGeneration:
        """Vision tower and Qwen2 decoder of the recipe's sizes; two query heads share a key head."""
        tokenizer = processor.tokenizer
        torch.manual_seed(recipe.seed)
        ids = dict(
            zip(
                (IMAGE, VIDEO, START, END),
                tokenizer.convert_tokens_to_ids([IMAGE, VIDEO, START, END]),
                strict=True,
            )
        )
        config = Qwen2VLConfig(
            text_config=_text_config(recipe, tokenizer),
            vision_config={
                "depth": recipe.vision_layers,
                "embed_dim": recipe.vision_width,
                "hidden_size": recipe.d_model,
                "num_heads": 2,
                "mlp_ratio": 4,
                "patch_size": recipe.patch // MERGE,
                "spatial_merge_size": MERGE,
                "temporal_patch_size": FRAMES,
            },
            image_token_id=ids[IMAGE],
            video_token_id=ids[VIDEO],
            vision_start_token_id=ids[START],
            vision_end_token_id=ids[END],
        )
        model = Qwen2VLForConditionalGeneration._from_config(
            config, attn_implementation="eager", dtype=torch.float32
        )
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        return model

    def encoder(self, model: Qwen2VLForConditionalGeneration) -> nn.Module:
        """The tower with its merger, which is also the way into the decoder."""
        return model.model.visual

    def patch_features(
        self, model: Qwen2VLForConditionalGeneration, pixels: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch patch feature"]:
        """The merger's output."""
        patch = model.config.vision_config.patch_size
        rows, columns = pixels.shape[-2] // patch, pixels.shape[-1] // patch
        grid = torch.tensor([[1, rows, columns]] * len(pixels), device=pixels.device)
        merged = model.model.visual(merge_order(pixels, patch), grid_thw=grid).pooler_output
        return merged.reshape(len(pixels), -1, merged.shape[-1])

    def image_embeddings(
        self, model: Qwen2VLForConditionalGeneration, features: Float[Tensor, "batch patch feature"]
    ) -> Float[Tensor, "batch patch d_model"]:
        """The same: the merger writes in the decoder's width."""
        del model
        return features

    def scale_image_embeddings(self, model: Qwen2VLForConditionalGeneration, factor: Tensor) -> None:
        """Scales the merger's last layer."""
        last: Any = model.model.visual.merger.mlp[-1]
        last.weight.mul_(factor)
        last.bias.mul_(factor)

    def decoder(self, model: Qwen2VLForConditionalGeneration) -> nn.Module:
        """The Qwen2 decoder."""
        return model.model.language_model

    def image_ids(self, tokenizer: PreTrainedTokenizerFast, grid: PatchGrid) -> list[int]:
        """Start of picture, one placeholder per merged patch, end of picture."""
        start, end = tokenizer.convert_tokens_to_ids([START, END])
        return [start, *super().image_ids(tokenizer, grid), end]

    def prefix_positions(self, prefix: list[int], grid: PatchGrid) -> Int[np.ndarray, "axis token"]:
        """Time, row and column, as the family states them."""
        values, counts = np.unique(prefix, return_counts=True)
        is_image = torch.tensor(prefix) == int(values[counts.argmax()])
        return rotary_positions(is_image, grid.height, grid.width).numpy()

    def language_positions(self, positions: Int[Tensor, "axis token"]) -> Int[Tensor, "axis 1 token"]:
        """Three rows of positions for a batch of one."""
        return positions[:, None]


def merge_order(pixels: Float[Tensor, "batch 3 height width"], patch: int) -> Float[Tensor, "patches values"]:
    """Patches as the tower takes them: the four of one image token follow each other, each frame repeated."""
    batch, channels, height, width = pixels.shape
    cut = pixels.reshape(
        batch, channels, height // patch // MERGE, MERGE, patch, width // patch // MERGE, MERGE, patch
    )
    ordered = cut.permute(0, 2, 5, 3, 6, 1, 4, 7).unsqueeze(6).expand(*[-1] * 6, FRAMES, -1, -1)
    return ordered.reshape(-1, channels * FRAMES * patch * patch)


def _text_config(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    half = recipe.d_model // recipe.n_heads // 2
    spatial = 3 * half // 8  # the published checkpoints split 64 into 16 + 24 + 24
    rotary = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [half - 2 * spatial, spatial, spatial],
    }
    settings = decoder_config(recipe, tokenizer, max(1, recipe.n_heads // 2))
    return {**settings, "rope_parameters": rotary}
