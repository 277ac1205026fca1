"""InternVL (`InternVLForConditionalGeneration`): one square tile, patches merged by pixel shuffle."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from transformers import InternVLProcessor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from scr_lens.errors import ContractError
from scr_lens.families.base import Encoding, ModelFamily, require_equal
from scr_lens.families.stills import refuse_videos
from scr_lens.grid import PatchGrid


class ImageOnlyProcessor(InternVLProcessor):
    """InternVL's processor without its video half, which needs torchvision.

    Args:
        image_processor: The image processor.
        tokenizer: The tokenizer.
        image_seq_length: Image tokens per tile.
        chat_template: The chat template, if any.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        image_seq_length: int = 256,
        chat_template: str | None = None,
    ) -> None:
        super().__init__(image_processor, tokenizer, None, image_seq_length, chat_template)


ImageOnlyProcessor.__name__ = "InternVLProcessor"  # what `save_pretrained` writes


class InternVLFamily(ModelFamily):
    """InternVL of any size, in its mode of one tile.

    By default the processor cuts a picture into tiles and adds a thumbnail: the same place is then seen twice
    and there is no single grid. Here tiling is switched off: the whole picture is squeezed into one square
    tile, whose patches are merged in squares (2 x 2 in the published checkpoints) and follow each other in
    raster order between a start and an end token.

    Source: transformers `models/internvl/modeling_internvl.py`, `InternVLModel.get_image_features`.
    """

    model_type = "internvl"
    layers_path = "model.language_model.layers"
    processor_class = ImageOnlyProcessor
    token_meaning = "one square of patches of the whole picture, squeezed into one tile (tiling is off)"

    def default_prompt(self, placeholder: str, question: str) -> str:
        """The published chat template for one turn."""
        return f"<|im_start|>user\n{placeholder}\n{question}<|im_end|>\n<|im_start|>assistant\n"

    def encode(self, processor: Any, images: Sequence[Image.Image], prompts: Sequence[str]) -> Encoding:
        """The processor's inputs for one tile per picture, whatever its own setting; no videos."""
        refuse_videos(prompts, processor.video_token)
        encoding = processor(
            images=list(images),
            text=list(prompts),
            crop_to_patches=False,
            padding=True,
            padding_side="left",
            return_tensors="pt",
        )
        return {name: value for name, value in encoding.items() if isinstance(value, Tensor)}

    def grids(self, encoding: Encoding, config: Any) -> tuple[PatchGrid, ...]:
        """Merged patches of the one tile; an encoding with more tiles than pictures is refused."""
        n_tiles, _, height, width = encoding["pixel_values"].shape
        n_samples = len(encoding["input_ids"])
        if n_tiles != n_samples:
            raise ContractError(
                f"{n_samples} pictures are cut into {n_tiles} tiles, which do not lie in one patch grid; "
                "set crop_to_patches=False when calling the processor"
            )
        return (merged_grid(height, width, config),) * n_samples

    def template_tail(self, processor: Any, config: Any) -> Int[Tensor, "token"]:
        """The end-of-image token that the processor adds, then the template's own words."""
        end = torch.tensor([processor.end_image_token_id])
        return torch.cat([end, super().template_tail(processor, config)])

    def image_features(
        self, hf_model: Any, encoding: Mapping[str, Tensor], rows: Sequence[int]
    ) -> list[Float[Tensor, "patch d_model"]]:
        """The projector's output; one tile per row of `pixel_values`."""
        pixels = encoding["pixel_values"][list(rows)].to(hf_model.device, hf_model.dtype)
        return list(hf_model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output)

    def with_image_features(
        self, inputs: Mapping[str, Any], features: Sequence[Float[Tensor, "patch d_model"]]
    ) -> Mapping[str, Any]:
        """InternVL takes one stacked tensor: every tile has the same number of tokens."""
        rest = {name: value for name, value in inputs.items() if name != "pixel_values"}
        output = BaseModelOutputWithPooling(pooler_output=torch.stack(list(features)))
        return {**rest, "mm_encoder_outputs": {"image": output}}

    def check(self, config: Any, processor: Any) -> None:
        """Refuse tiles that are not square, a kept class token, and a processor that counts other cells."""
        size = processor.image_processor.size
        height, width = size["height"], size["width"]
        if height != width:
            raise ContractError(
                f"the image processor's size is {height} x {width}, but InternVL merges patches as if a tile "
                "were square; set height and width to the same number in preprocessor_config.json"
            )
        require_equal("image_seq_length", merged_grid(height, width, config).size, processor.image_seq_length)
        require_equal("image_token_id", config.image_token_id, processor.image_token_id)
        if config.vision_feature_select_strategy != "default":
            raise ContractError(
                f"vision_feature_select_strategy={config.vision_feature_select_strategy!r} keeps the class "
                "token, which has no place in the grid; set it to 'default' in config.json"
            )


def merged_grid(height: int, width: int, config: Any) -> PatchGrid:
    """Grid of a tile after the pixel shuffle.

    Args:
        height: Pixels of the tile.
        width: Its pixels across.
        config: An InternVL config.

    Returns:
        16 x 16 for tiles of 448 pixels in the published checkpoints.
    """
    down, across = config.vision_config.patch_size
    merge = round(1 / config.downsample_ratio)
    return PatchGrid(height // down // merge, width // across // merge)
