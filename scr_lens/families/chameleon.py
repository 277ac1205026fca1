"""Chameleon (`ChameleonForConditionalGeneration`): image codes that are words of the decoder."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from scr_lens.errors import ContractError
from scr_lens.families.base import Encoding, ModelFamily, require_equal
from scr_lens.grid import PatchGrid


class ChameleonFamily(ModelFamily):
    """Chameleon 7B and 30B, with and without `swin_norm`.

    The vector-quantized tokenizer turns the image into one code per cell, in raster order, between a start
    and an end token; codes are embedded like words. The model never says a code: their logits are the lowest
    number of the type.

    Source: transformers `models/chameleon/modeling_chameleon.py`, `ChameleonModel.get_image_features`.
    """

    model_type = "chameleon"
    layers_path = "model.layers"
    text_config_name = ""
    vision_config_names = ("vq_config",)
    token_meaning = "the code of one cell of the image tokenizer"

    def default_prompt(self, placeholder: str, question: str) -> str:
        """The image, then the question; the processor adds the separator that asks for an answer."""
        return f"{placeholder}{question}"

    def grids(self, encoding: Encoding, config: Any) -> tuple[PatchGrid, ...]:
        """Image size over the tokenizer's total stride: 512 / 16 = 32 in the published checkpoints."""
        n_images, _, height, width = encoding["pixel_values"].shape
        return (PatchGrid(height // stride(config), width // stride(config)),) * n_images

    def template_tail(self, processor: Any, config: Any) -> Int[Tensor, "token"]:
        """The end-of-image token, the template's own words and the separator the processor appends."""
        del config
        after = self.prompt(processor, "").split(self.placeholder(processor))[-1]
        text = f"{processor.image_end_token}{after}{processor.tokenizer.sep_token}"
        ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        return torch.tensor(ids, dtype=torch.long)

    def image_features(
        self, hf_model: Any, encoding: Mapping[str, Tensor], rows: Sequence[int]
    ) -> list[Float[Tensor, "patch d_model"]]:
        """Embeddings of the codes; one picture per row of `pixel_values`."""
        pixels = encoding["pixel_values"][list(rows)].to(hf_model.device, hf_model.dtype)
        return list(hf_model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output)

    def with_image_features(
        self, inputs: Mapping[str, Any], features: Sequence[Float[Tensor, "patch d_model"]]
    ) -> Mapping[str, Any]:
        """Chameleon takes one stacked tensor: every image has the same number of codes."""
        rest = {name: value for name, value in inputs.items() if name != "pixel_values"}
        output = BaseModelOutputWithPooling(pooler_output=torch.stack(list(features)))
        return {**rest, "mm_encoder_outputs": {"image": output}}

    def normalization(self, config: Any) -> str:
        """With `swin_norm` a block normalizes what attention and MLP return, before it is added."""
        return "post-norm (swin_norm)" if config.swin_norm else super().normalization(config)

    def check(self, config: Any, processor: Any) -> None:
        """Refuse a vocabulary that lacks codes, and a processor that counts other cells."""
        codes = sum(name.startswith("IMGIMG") for name in config.vocabulary_map or {})
        if codes != config.vq_config.num_embeddings:
            raise ContractError(
                f"vocabulary_map names {codes} image codes, the image tokenizer has "
                f"{config.vq_config.num_embeddings}; use a checkpoint whose config.json holds the whole map"
            )
        crop = processor.image_processor.crop_size
        cells = (crop["height"] // stride(config)) * (crop["width"] // stride(config))
        require_equal("image_seq_length", cells, processor.image_seq_length)
        require_equal("image_token_id", config.image_token_id, processor.image_token_id)


def stride(config: Any) -> int:
    """Pixels per cell of the image tokenizer: it halves the image between any two of its levels.

    Args:
        config: A Chameleon config.

    Returns:
        A power of two; 16 in the published checkpoints.
    """
    return int(2 ** (len(config.vq_config.channel_multiplier) - 1))
