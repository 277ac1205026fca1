"""Where things live in Qwen-VL and Qwen-VL-Chat."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from scr_lens.errors import ContractError
from scr_lens.families.base import Encoding, ModelFamily, require_equal
from scr_lens.families.qwen_vl.processing import QwenVLProcessor
from scr_lens.families.qwen_vl.vocabulary import IMAGE_END, IMAGE_PAD, IMAGE_START
from scr_lens.grid import PatchGrid


class QwenVLFamily(ModelFamily):
    """Qwen-VL (2023) as ported here.

    The image becomes 256 consecutive tokens between two tags. They are not patches: each is a learned query
    of the resampler that attends to the whole image, and its cell in the 16 by 16 grid is the nominal one of
    its position vector. Neighbors in this grid are a weaker notion than neighboring patches.

    Source: Bai et al. 2023, "Qwen-VL", Sec. 2.1.
    """

    model_type = "qwen"
    layers_path = "model.language_model.layers"
    # The image tower computes SDPA by itself; transformers knows no attention setting for it.
    vision_config_names = ()
    processor_class = QwenVLProcessor
    token_meaning = "one learned query of the resampler, which sees the whole image (its cell is nominal)"

    def default_prompt(self, placeholder: str, question: str) -> str:
        """The authors' prompt for visual question answering with the base model."""
        return f"{IMAGE_START}{placeholder}{IMAGE_END}{question} Answer:"

    def grids(self, encoding: Encoding, config: Any) -> tuple[PatchGrid, ...]:
        """The nominal square of the queries, the same for every image."""
        side = config.vision_config.grid_size
        return (PatchGrid(side, side),) * len(encoding["pixel_values"])

    def image_features(
        self, hf_model: Any, encoding: Mapping[str, Tensor], rows: Sequence[int]
    ) -> list[Float[Tensor, "patch d_model"]]:
        """One picture per row, so its pixels are that row of `pixel_values`."""
        return list(hf_model.get_image_features(encoding["pixel_values"][list(rows)]).pooler_output)

    def check(self, config: Any, processor: Any) -> None:
        """Refuse queries without a grid, and a processor that was made for another checkpoint."""
        vision = config.vision_config
        size = processor.image_processor.size
        if vision.output_dim != config.text_config.hidden_size:
            raise ContractError(
                f"image tokens have width {vision.output_dim}, the language model takes "
                f"{config.text_config.hidden_size}; set vision_config.output_dim to text_config.hidden_size"
            )
        require_equal("number of image tokens", vision.grid_size**2, processor.num_image_tokens)
        pad_id = processor.tokenizer.convert_tokens_to_ids(IMAGE_PAD)
        require_equal(f"id of {IMAGE_PAD}", config.image_token_id, pad_id)
        require_equal("image size", (vision.image_size,) * 2, (size["height"], size["width"]))
