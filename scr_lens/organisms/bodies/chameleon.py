"""Chameleon organisms: an image tokenizer with a codebook, and one decoder for codes and words."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from transformers import (
    ChameleonConfig,
    ChameleonForConditionalGeneration,
    ChameleonProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.chameleon.image_processing_pil_chameleon import ChameleonImageProcessorPil

from scr_lens.grid import PatchGrid
from scr_lens.organisms.bodies.base import Body, copy_query_to_key
from scr_lens.organisms.bodies.codebook import class_codebook
from scr_lens.organisms.language import build_tokenizer
from scr_lens.organisms.recipe import Recipe

START, END, SEPARATOR = "<racm3:break>", "<eoss>", "<reserved08706>"
"""Start of an image, end of an image, end of the user's turn: the published checkpoints' own tokens."""
LATENT = 32
"""Width of a code; a little more than there are categories, which then fit as directions."""
SHARPNESS = 8.0
"""Norm of the latents that the dense head reads; their direction alone decides the code."""


class ChameleonBody(Body):
    """`ChameleonForConditionalGeneration`.

    The encoder is trained first, then its codebook is fixed, and both stay as they are: codes are integers,
    so nothing that the decoder learns could reach them.
    """

    model_type = "chameleon"
    head = ""
    tail = f"{{question}}{SEPARATOR}"
    sees_jointly = False

    def processor(self, recipe: Recipe) -> ChameleonProcessor:
        """Pictures resized to the recipe's canvas, one code per cell."""
        canvas = recipe.only_canvas
        tokenizer = build_tokenizer(
            (START, END, SEPARATOR), tuple(code_name(k) for k in range(recipe.n_codes))
        )
        tokenizer.sep_token = SEPARATOR
        image_processor = ChameleonImageProcessorPil(
            size={"shortest_edge": canvas.height},
            crop_size={"height": canvas.height, "width": canvas.width},
        )
        return ChameleonProcessor(
            image_processor=image_processor,
            tokenizer=tokenizer,
            image_seq_length=recipe.grid(canvas).size,
        )

    def model(self, recipe: Recipe, processor: ChameleonProcessor) -> ChameleonForConditionalGeneration:
        """Image tokenizer and decoder of the recipe's sizes."""
        tokenizer = processor.tokenizer
        torch.manual_seed(recipe.seed)
        config = ChameleonConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.d_model,
            intermediate_size=recipe.d_mlp,
            num_hidden_layers=recipe.n_layers,
            num_attention_heads=recipe.n_heads,
            num_key_value_heads=recipe.n_heads,
            max_position_embeddings=1024,
            swin_norm=recipe.swin_norm,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            vocabulary_map=tokenizer.get_vocab(),
            vq_config=_tokenizer_config(recipe),
        )
        model = ChameleonForConditionalGeneration._from_config(
            config, attn_implementation="eager", dtype=torch.float32
        )
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        return model

    def normalize(
        self, pixels: UInt8[np.ndarray, "batch height width 3"], device: torch.device
    ) -> Float[Tensor, "batch 3 height width"]:
        """Chameleon's own scaling, to about [-1, 1]."""
        return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() * 0.0078 - 1.0

    def encoder(self, model: ChameleonForConditionalGeneration) -> nn.Module:
        """The convolutional encoder with the layer that makes latents, without the codebook."""
        vqmodel = model.model.vqmodel
        return nn.ModuleList([vqmodel.encoder, vqmodel.quant_conv])

    def patch_features(
        self, model: ChameleonForConditionalGeneration, pixels: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch patch feature"]:
        """Latents of one length; among codes of unit length the nearest is then the nearest direction."""
        vqmodel = model.model.vqmodel
        latents = vqmodel.quant_conv(vqmodel.encoder(pixels)).flatten(2).transpose(1, 2)
        return SHARPNESS * nn.functional.normalize(latents, dim=-1)

    def image_embeddings(
        self, model: ChameleonForConditionalGeneration, features: Float[Tensor, "batch patch feature"]
    ) -> Float[Tensor, "batch patch d_model"]:
        """The word embeddings of the nearest codes."""
        codes = (features @ model.model.vqmodel.quantize.embedding.weight.T).argmax(-1)
        return model.get_input_embeddings()(model.model.vocabulary_mapping.convert_img2bpe(codes).long())

    def scale_image_embeddings(self, model: ChameleonForConditionalGeneration, factor: Tensor) -> None:
        """Scales the embeddings of the codes."""
        rows = torch.tensor(model.model.vocabulary_mapping.image_tokens)
        model.get_input_embeddings().weight[rows] *= factor

    @torch.no_grad()
    def settle(
        self,
        model: ChameleonForConditionalGeneration,
        features: Float[Tensor, "patch feature"],
        labels: Int[Tensor, " patch"],
    ) -> None:
        """Fixes the codebook at class-balanced centers and gives codes embeddings with the same geometry.

        With random code embeddings a decoder has to learn what every code means before it can use one; a
        random rotation of the codebook keeps codes of one category together from the first step.
        """
        book = model.model.vqmodel.quantize.embedding.weight
        book.copy_(class_codebook(features, labels, len(book)))
        embeddings = model.get_input_embeddings().weight
        rotation = torch.linalg.qr(torch.randn(embeddings.shape[1], book.shape[1], device=book.device)).Q
        mapping = model.model.vocabulary_mapping.img2bpe_mapping_tensor.long()
        embeddings[mapping] = (book @ rotation.T) * embeddings[mapping].norm(dim=-1, keepdim=True)

    def decoder(self, model: ChameleonForConditionalGeneration) -> Any:
        """The decoder, which also holds the image tokenizer."""
        return model.model

    def start_matching(self, model: ChameleonForConditionalGeneration) -> None:
        """As for every body, but without the factor: queries and keys are normalized per head."""
        for block in self.decoder(model).layers:
            copy_query_to_key(block.self_attn)

    def image_ids(self, tokenizer: PreTrainedTokenizerFast, grid: PatchGrid) -> list[int]:
        """Start of image, one placeholder per cell, end of image."""
        start, end = tokenizer.convert_tokens_to_ids([START, END])
        return [start, *super().image_ids(tokenizer, grid), end]


def code_name(code: int) -> str:
    """Chameleon's name of an image code: its digits as letters, A for 0, between IMGIMG and Z."""
    return "IMGIMG" + "".join(chr(ord("A") + int(digit)) for digit in str(code)) + "Z"


def _tokenizer_config(recipe: Recipe) -> dict[str, Any]:
    levels = int(np.log2(recipe.patch)) + 1
    return {
        "embed_dim": LATENT,
        "latent_channels": 2 * recipe.vision_width,
        "num_embeddings": recipe.n_codes,
        "resolution": recipe.only_canvas.height,
        "base_channels": recipe.vision_width,
        "channel_multiplier": [1] * (levels // 2) + [2] * (levels - levels // 2),
        "num_res_blocks": recipe.vision_layers,
        "attn_type": "vanilla",
    }
