"""LLaVA (`LlavaForConditionalGeneration`): a CLIP or SigLIP tower, a projector and a decoder, any size."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from scr_lens.errors import ContractError
from scr_lens.families.base import Encoding, ModelFamily, require_equal
from scr_lens.grid import PatchGrid

# Vision towers that give one token per patch in raster order, and whether they put a class token in front.
TOWERS = {"clip_vision_model": True, "siglip_vision_model": False}


class LlavaFamily(ModelFamily):
    """LLaVA-1.5 and checkpoints of the same class.

    The image becomes `(height // patch) * (width // patch)` consecutive tokens in raster order, with no start
    or end token around them.

    Source: transformers `models/llava/modeling_llava.py`, `LlavaModel.get_image_features`.
    """

    model_type = "llava"
    layers_path = "model.language_model.layers"

    def default_prompt(self, placeholder: str, question: str) -> str:
        """LLaVA-1.5's conversation template for one turn."""
        return f"USER: {placeholder}\n{question} ASSISTANT:"

    def grids(self, encoding: Encoding, config: Any) -> tuple[PatchGrid, ...]:
        """Image size over patch size; every image of a batch has the same size."""
        n_images, _, height, width = encoding["pixel_values"].shape
        patch = config.vision_config.patch_size
        return (PatchGrid(height // patch, width // patch),) * n_images

    def image_features(
        self, hf_model: Any, encoding: Mapping[str, Tensor], rows: Sequence[int]
    ) -> list[Float[Tensor, "patch d_model"]]:
        """One picture per row, so its pixels are that row of `pixel_values`."""
        pixels = encoding["pixel_values"][list(rows)].to(hf_model.device, hf_model.dtype)
        return list(hf_model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output)

    def check(self, config: Any, processor: Any) -> None:
        """Refuse an unknown tower, a kept class token, and a processor that counts other patches."""
        tower = config.vision_config.model_type
        if tower not in TOWERS:
            raise ContractError(
                f"LLaVA vision tower {tower!r} is not known to give a patch grid; "
                f"use a checkpoint with one of {', '.join(sorted(TOWERS))}"
            )
        strategy = config.vision_feature_select_strategy
        if TOWERS[tower] != (strategy == "default"):
            expected = "default" if TOWERS[tower] else "full"
            raise ContractError(
                f"vision_feature_select_strategy={strategy!r} with a {tower} does not leave one token per "
                f"patch; set it to {expected!r} in the checkpoint's config.json and processor_config.json"
            )
        require_equal("patch_size", config.vision_config.patch_size, processor.patch_size)
        require_equal("vision_feature_select_strategy", strategy, processor.vision_feature_select_strategy)
