"""Qwen2-VL (`Qwen2VLForConditionalGeneration`): images of any size, merged patches, three rotary axes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from transformers import Qwen2VLProcessor

from scr_lens.errors import ContractError
from scr_lens.families.base import Encoding, ModelFamily, require_equal
from scr_lens.families.stills import refuse_videos
from scr_lens.grid import PatchGrid


class ImageOnlyProcessor(Qwen2VLProcessor):
    """Qwen2-VL's processor without its video half, which needs torchvision.

    Args:
        image_processor: The image processor.
        tokenizer: The tokenizer.
        chat_template: The chat template, if any.
    """

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template)


ImageOnlyProcessor.__name__ = "Qwen2VLProcessor"  # what `save_pretrained` writes, so that others can load it


class Qwen2VLFamily(ModelFamily):
    """Qwen2-VL of any size.

    The image keeps its aspect ratio; patches are merged in squares (2 x 2 in the published checkpoints), and
    the merged patches follow each other in raster order between a start and an end token. A token has three
    rotary positions (time, row, column).

    Source: transformers `models/qwen2_vl/modeling_qwen2_vl.py`, `Qwen2VLModel.get_image_features`.
    """

    model_type = "qwen2_vl"
    layers_path = "model.language_model.layers"
    processor_class = ImageOnlyProcessor
    token_meaning = "one square of patches, merged by the image tower"

    def default_prompt(self, placeholder: str, question: str) -> str:
        """The published chat template for one turn."""
        return (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
            f"<|vision_start|>{placeholder}<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
        )

    def encode(self, processor: Any, images: Sequence[Image.Image], prompts: Sequence[str]) -> Encoding:
        """The processor's inputs; a prompt that asks for a video is refused before it is counted."""
        refuse_videos(prompts, processor.video_token)
        return super().encode(processor, images, prompts)

    def grids(self, encoding: Encoding, config: Any) -> tuple[PatchGrid, ...]:
        """Patches over the merge size, for each image by itself; several frames are refused."""
        merge = config.vision_config.spatial_merge_size
        sizes = encoding["image_grid_thw"].tolist()
        frames = max(frames for frames, _, _ in sizes)
        if frames > 1:
            raise ContractError(
                f"an image has {frames} frames, which do not lie in one patch grid; "
                "give one still image per sample"
            )
        return tuple(PatchGrid(height // merge, width // merge) for _, height, width in sizes)

    def position_ids(self, encoding: Encoding) -> Int[Tensor, "3 batch seq"]:
        """Time, row and column of every token; stated here, the model keeps no state from an earlier pass.

        Text counts on by one in all three; a patch has the image's start plus (0, row, column); text goes on
        after the image's longer side.

        Source: Qwen2-VL (arXiv:2409.12191), Sec. 2.1.
        """
        mask, kinds = encoding["attention_mask"].bool(), encoding["mm_token_type_ids"]
        positions = torch.zeros(3, *mask.shape, dtype=torch.long)
        for row, (_, height, width) in enumerate(encoding["image_grid_thw"].tolist()):
            is_image = kinds[row][mask[row]] == 1
            merge = math.isqrt(height * width // int(is_image.sum()))
            positions[:, row, mask[row]] = rotary_positions(is_image, height // merge, width // merge)
        return positions

    def image_features(
        self, hf_model: Any, encoding: Mapping[str, Tensor], rows: Sequence[int]
    ) -> list[Float[Tensor, "patch d_model"]]:
        """The merger's output; the patches of all images lie one after another in `pixel_values`."""
        sizes = encoding["image_grid_thw"]
        images = encoding["pixel_values"].split(sizes.prod(-1).tolist())
        pixels = torch.cat([images[row] for row in rows]).to(hf_model.device, hf_model.dtype)
        grid = sizes[list(rows)].to(hf_model.device)
        return list(hf_model.get_image_features(pixels, grid, return_dict=True).pooler_output)

    def check(self, config: Any, processor: Any) -> None:
        """Refuse a processor that cuts or merges patches in another way."""
        vision, images = config.vision_config, processor.image_processor
        require_equal("patch_size", vision.patch_size, images.patch_size)
        require_equal("spatial_merge_size", vision.spatial_merge_size, images.merge_size)
        require_equal("temporal_patch_size", vision.temporal_patch_size, images.temporal_patch_size)
        require_equal("image_token_id", config.image_token_id, processor.image_token_id)


def rotary_positions(is_image: Tensor, height: int, width: int) -> Int[Tensor, "3 seq"]:
    """Time, row and column of each token of one prompt with one image.

    Args:
        is_image: Whether a token belongs to the image, `[seq]`.
        height: Rows of the merged grid.
        width: Its columns.
    """
    start = int(is_image.nonzero()[0])
    cells = torch.arange(height * width)
    before = torch.arange(start).expand(3, -1)
    image = start + torch.stack([torch.zeros_like(cells), cells // width, cells % width])
    n_after = len(is_image) - start - len(cells)
    after = (start + max(height, width) + torch.arange(n_after)).expand(3, -1)
    return torch.cat([before, image, after], dim=1)
