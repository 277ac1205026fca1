"""Qwen2.5-VL (`Qwen2_5_VLForConditionalGeneration`): Qwen2-VL with windows in the image tower."""

from typing import Any

from transformers import Qwen2_5_VLProcessor

from scr_lens.families.qwen2_vl import Qwen2VLFamily


class ImageOnlyProcessor(Qwen2_5_VLProcessor):
    """Qwen2.5-VL's processor without its video half, which needs torchvision.

    Args:
        image_processor: The image processor.
        tokenizer: The tokenizer.
        chat_template: The chat template, if any.
    """

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template)


ImageOnlyProcessor.__name__ = "Qwen2_5_VLProcessor"  # what `save_pretrained` writes


class Qwen25VLFamily(Qwen2VLFamily):
    """Qwen2.5-VL: prompt, grid and rotary positions of a still image are those of Qwen2-VL.

    The image tower reorders patches into windows and puts them back, so tokens stay in raster order.

    Source: transformers `models/qwen2_5_vl/modeling_qwen2_5_vl.py`.
    """

    model_type = "qwen2_5_vl"
    processor_class = ImageOnlyProcessor
