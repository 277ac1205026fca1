"""Idefics3 and the first SmolVLM (`Idefics3ForConditionalGeneration`): one square tile, merged patches."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from scr_lens.errors import ContractError
from scr_lens.families.base import Encoding, ModelFamily, require_equal
from scr_lens.grid import PatchGrid


class Idefics3Family(ModelFamily):
    """Idefics3-8B and SmolVLM-256M, -500M and -2.2B, without image splitting.

    By default the processor cuts a picture into tiles and adds the whole picture as one more: the same place
    is then seen twice and there is no single grid. Here splitting is switched off: the whole picture is
    squeezed into one square tile, whose patches are merged in squares by pixel shuffle and follow each other
    in raster order between two marks.

    Source: transformers `models/idefics3/modeling_idefics3.py`, `Idefics3Model.get_image_features`.
    """

    model_type = "idefics3"
    layers_path = "model.text_model.layers"
    token_meaning = (
        "one square of patches of the whole picture, squeezed into one tile (image splitting is off)"
    )

    def default_prompt(self, placeholder: str, question: str) -> str:
        """The published chat template for one turn, without the opening that differs between checkpoints."""
        return f"User:{placeholder}{question}<end_of_utterance>\nAssistant:"

    def encode(self, processor: Any, images: Sequence[Image.Image], prompts: Sequence[str]) -> Encoding:
        """The processor's inputs for one tile per picture, whatever its own setting."""
        encoding = processor(
            images=[[image] for image in images],
            text=list(prompts),
            do_image_splitting=False,
            padding=True,
            padding_side="left",
            return_tensors="pt",
        )
        return {name: value for name, value in encoding.items() if isinstance(value, Tensor)}

    def grids(self, encoding: Encoding, config: Any) -> tuple[PatchGrid, ...]:
        """Merged patches of the one tile; an encoding with several tiles per picture is refused."""
        n_samples, n_tiles, _, height, width = encoding["pixel_values"].shape
        if n_tiles != 1:
            raise ContractError(
                f"a picture is cut into {n_tiles} tiles, which do not lie in one patch grid; "
                "set do_image_splitting=False when calling the processor"
            )
        cell = config.vision_config.patch_size * config.scale_factor
        return (PatchGrid(height // cell, width // cell),) * n_samples

    def template_tail(self, processor: Any, config: Any) -> Int[Tensor, "token"]:
        """The mark that the processor adds behind an image, then the template's own words."""
        mark = processor.tokenizer.convert_tokens_to_ids(processor.fake_image_token)
        return torch.cat([torch.tensor([mark]), super().template_tail(processor, config)])

    def image_features(
        self, hf_model: Any, encoding: Mapping[str, Tensor], rows: Sequence[int]
    ) -> list[Float[Tensor, "patch d_model"]]:
        """The connector's output; one tile per row of `pixel_values`, without padding."""
        pixels = encoding["pixel_values"][list(rows)].to(hf_model.device, hf_model.dtype)
        return list(hf_model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output)

    def with_image_features(
        self, inputs: Mapping[str, Any], features: Sequence[Float[Tensor, "patch d_model"]]
    ) -> Mapping[str, Any]:
        """The mask of padded pixels goes with the pixels."""
        rest = {name: value for name, value in inputs.items() if name != "pixel_attention_mask"}
        return super().with_image_features(rest, features)

    def check(self, config: Any, processor: Any) -> None:
        """Refuse a processor whose tile does not have as many cells as it writes image tokens."""
        patches = processor.image_processor.max_image_size["longest_edge"] // config.vision_config.patch_size
        require_equal("image_seq_len", patches**2 // config.scale_factor**2, processor.image_seq_len)
        require_equal("image_token_id", config.image_token_id, processor.image_token_id)
        if patches % config.scale_factor:
            raise ContractError(
                f"{patches} patches per side cannot be merged by scale_factor={config.scale_factor}; "
                "set max_image_size in preprocessor_config.json to the checkpoint's own image_size"
            )
