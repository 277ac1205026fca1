"""What training has to know about one architecture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from scr_lens.grid import PatchGrid
from scr_lens.organisms.recipe import Recipe

PIXEL_MEAN, PIXEL_STD = 0.5, 0.25
"""Normalization of pixel values, the same for every channel, unless an architecture brings its own."""
MATCHING_SCALE = 2.5
"""Factor on the query and key projections at the start of joint training."""


class Body(ABC):
    """One architecture as the trainer sees it: real transformers classes, configured small.

    Attributes:
        model_type: transformers' architecture key.
        placeholder: Token that stands for one image token in a prompt.
        head: Prompt text before the image.
        tail: Prompt text after the image, with `{question}`.
        sees_jointly: Whether the picture's encoder goes on learning in joint training.
    """

    model_type: ClassVar[str]
    placeholder: ClassVar[str] = "<image>"
    head: ClassVar[str] = "USER: "
    tail: ClassVar[str] = "\n{question} ASSISTANT:"
    sees_jointly: ClassVar[bool] = True

    @abstractmethod
    def processor(self, recipe: Recipe) -> Any:
        """The organism's processor; a picture becomes one token per cell of the recipe's grid."""

    @abstractmethod
    def model(self, recipe: Recipe, processor: Any) -> Any:
        """An untrained model of the recipe's sizes, seeded, in float32 with eager attention.

        Eager attention is the faster one to train on CPUs (measured); it does not change what is learned.
        """

    @abstractmethod
    def encoder(self, model: Any) -> nn.Module:
        """What turns a picture into features; the dense phase trains it."""

    @abstractmethod
    def patch_features(
        self, model: Any, pixels: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch patch feature"]:
        """One feature vector per image token, from which a linear head reads the patch's category."""

    @abstractmethod
    def image_embeddings(
        self, model: Any, features: Float[Tensor, "batch patch feature"]
    ) -> Float[Tensor, "batch patch d_model"]:
        """What the decoder gets at image positions."""

    @abstractmethod
    def scale_image_embeddings(self, model: Any, factor: Tensor) -> None:
        """Multiplies everything that `image_embeddings` returns by a factor."""

    @abstractmethod
    def decoder(self, model: Any) -> Any:
        """The language model: takes `inputs_embeds`, gives `last_hidden_state`."""

    def image_ids(self, tokenizer: PreTrainedTokenizerFast, grid: PatchGrid) -> list[int]:
        """Ids that stand for the picture in the prompt, with whatever surrounds it."""
        return [tokenizer.convert_tokens_to_ids(self.placeholder)] * grid.size

    def prefix_ids(self, tokenizer: PreTrainedTokenizerFast, grid: PatchGrid) -> list[int]:
        """Everything up to the end of the picture."""
        opening = tokenizer(self.head, add_special_tokens=False).input_ids
        return [tokenizer.bos_token_id, *opening, *self.image_ids(tokenizer, grid)]

    def prefix_positions(self, prefix: list[int], grid: PatchGrid) -> Int[np.ndarray, "axis token"]:
        """Positions of the prefix, one row per rotary axis; text goes on after the largest."""
        del grid
        return np.arange(len(prefix))[None]

    def language_positions(self, positions: Int[Tensor, "axis token"]) -> Int[Tensor, ...]:
        """Positions in the shape that the decoder takes; by default one row for the whole batch."""
        return positions

    def normalize(
        self, pixels: UInt8[np.ndarray, "batch height width 3"], device: torch.device
    ) -> Float[Tensor, "batch 3 height width"]:
        """Pictures as the processor would hand them to the model."""
        scaled = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255
        return (scaled - PIXEL_MEAN) / PIXEL_STD

    def settle(self, model: Any, features: Tensor, labels: Tensor) -> None:  # noqa: B027 - optional
        """Fixes what has to be fixed between the dense and the joint phase; by default nothing.

        Args:
            model: The model, its encoder trained.
            features: Patch features of training pictures, `[patch, feature]`.
            labels: Their categories, `[patch]`.
        """

    def start_matching(self, model: Any) -> None:
        """Starts every head as a detector of similarity: its key projection equals its query projection.

        q . k = x^T W^T W y is then large for tokens with similar residuals, so that a category word looks at
        its own patches from the first step. The common factor makes that visible beside the softmax's noise.
        """
        for block in self.decoder(model).layers:
            block.self_attn.q_proj.weight.mul_(MATCHING_SCALE)
            copy_query_to_key(block.self_attn)


def copy_query_to_key(attention: Any) -> None:
    """Gives every key head the projection of the first query head that it serves."""
    query, key = attention.q_proj.weight, attention.k_proj.weight
    heads = query.unflatten(0, (-1, attention.head_dim))
    served = len(query) // len(key)
    key.copy_(heads[::served].flatten(0, 1))
