"""Qwen-VL organisms: a tower of fine patches, a resampler that gathers them, a Qwen2 decoder."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from scr_lens.families.qwen_vl import QwenVLConfig, QwenVLForConditionalGeneration, QwenVLProcessor
from scr_lens.families.qwen_vl.resampler import Resampler
from scr_lens.families.qwen_vl.vocabulary import IMAGE_END, IMAGE_PAD, IMAGE_START
from scr_lens.grid import PatchGrid
from scr_lens.organisms.bodies.base import PIXEL_MEAN, PIXEL_STD, Body
from scr_lens.organisms.bodies.qwen2_decoder import decoder_config
from scr_lens.organisms.language import build_tokenizer
from scr_lens.organisms.recipe import Recipe

PATCH_SHARE = 0.75
"""Side of the tower's patches over that of a query's cell: 16 x 16 patches for 12 x 12 queries.

The published checkpoints have a half (32 x 32 for 16 x 16), which costs a small tower on a CPU much more
time: 0.85 s a step of the dense phase against 0.25 s (measured, 16 pictures, one core).
"""
FASTEST_RATES = 0.2
"""Radians per cell from which a channel of the position vectors tells neighboring cells apart."""
LOOK = 3.0
"""Sharpness of a query's look at its own cell when training starts: attention logits per channel."""


class QwenVLBody(Body):
    """`QwenVLForConditionalGeneration`, this package's port.

    The dense phase reads the resampler's outputs, not the tower's patches: a query's label is the category in
    its nominal cell. So the queries learn to carry their cells, words can start at what the decoder will see,
    and nothing of the picture's path starts untrained in the joint phase. Queries start by looking at their
    own cell (`look_at_own_cell`); nothing holds them there.
    """

    model_type = "qwen"
    placeholder = IMAGE_PAD
    head = ""
    tail = "{question} Answer:"

    def processor(self, recipe: Recipe) -> QwenVLProcessor:
        """Pictures squeezed to the recipe's canvas, one token per query."""
        side = recipe.only_canvas.height
        image_processor = CLIPImageProcessorPil(
            size={"height": side, "width": side},
            do_center_crop=False,
            image_mean=[PIXEL_MEAN] * 3,
            image_std=[PIXEL_STD] * 3,
        )
        tokenizer = build_tokenizer((IMAGE_START, IMAGE_END, IMAGE_PAD), ("answer",))
        queries = recipe.grid(recipe.only_canvas).size
        return QwenVLProcessor(image_processor=image_processor, tokenizer=tokenizer, num_image_tokens=queries)

    def model(self, recipe: Recipe, processor: QwenVLProcessor) -> QwenVLForConditionalGeneration:
        """Tower, resampler and Qwen2 decoder of the recipe's sizes."""
        tokenizer = processor.tokenizer
        torch.manual_seed(recipe.seed)
        config = QwenVLConfig(
            text_config=decoder_config(recipe, tokenizer, recipe.n_heads),
            vision_config=_vision_config(recipe),
            image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_PAD),
        )
        model = QwenVLForConditionalGeneration._from_config(
            config, attn_implementation="eager", dtype=torch.float32
        )
        look_at_own_cell(model.model.visual.attn_pool)
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        return model

    def encoder(self, model: QwenVLForConditionalGeneration) -> nn.Module:
        """The tower with its resampler, which is also the way into the decoder."""
        return model.model.visual

    def patch_features(
        self, model: QwenVLForConditionalGeneration, pixels: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch patch feature"]:
        """The resampler's output at its queries."""
        return model.model.visual(pixels)

    def image_embeddings(
        self, model: QwenVLForConditionalGeneration, features: Float[Tensor, "batch patch feature"]
    ) -> Float[Tensor, "batch patch d_model"]:
        """The same: the resampler writes in the decoder's width."""
        del model
        return features

    def scale_image_embeddings(self, model: QwenVLForConditionalGeneration, factor: Tensor) -> None:
        """Scales the projection behind the resampler."""
        model.model.visual.proj.mul_(factor)

    def decoder(self, model: QwenVLForConditionalGeneration) -> nn.Module:
        """The Qwen2 decoder."""
        return model.model.language_model

    def image_ids(self, tokenizer: PreTrainedTokenizerFast, grid: PatchGrid) -> list[int]:
        """Start of image, one placeholder per query, end of image."""
        start, end = tokenizer.convert_tokens_to_ids([IMAGE_START, IMAGE_END])
        return [start, *super().image_ids(tokenizer, grid), end]


@torch.no_grad()
def look_at_own_cell(resampler: Resampler) -> None:
    """Starts every query with its attention on the patches in and around its own cell.

    Attention compares the quick channels of the position vectors and nothing else, and what is gathered
    keeps out of these channels. With random projections the queries see flat averages of the whole picture,
    from which no cell can be told.

    Args:
        resampler: A resampler of one head (below 256 channels) with its position vectors in place; changed.
    """
    width = resampler.query.shape[1]
    rates = 10000.0 ** (-torch.arange(width // 4) / (width // 4))
    quick = (rates >= FASTEST_RATES).repeat(4)  # sines and cosines of columns, then of rows
    scale = (LOOK * width**0.5) ** 0.5
    resampler.attn.in_proj_weight[: 2 * width] = torch.diag(scale * quick).repeat(2, 1)
    for norm in (resampler.ln_q, resampler.ln_kv):
        norm.weight[quick] = 0


def _vision_config(recipe: Recipe) -> dict[str, Any]:
    canvas = recipe.only_canvas
    patch = int(recipe.patch * PATCH_SHARE)
    return {
        "image_size": canvas.height,
        "patch_size": patch,
        "width": recipe.vision_width,
        "layers": recipe.vision_layers,
        "heads": 2,
        "mlp_ratio": 4.0,
        "n_positions": canvas.grid(patch).size,
        "n_queries": recipe.grid(canvas).size,
        "output_dim": recipe.d_model,
    }
