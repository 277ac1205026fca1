"""The facts a family must state about its architecture, with the defaults most architectures share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from transformers import AutoProcessor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from scr_lens.errors import ContractError
from scr_lens.grid import PatchGrid

Encoding = dict[str, Tensor]


class ModelFamily(ABC):
    """One architecture: a stateless object that answers questions about a model, processor or encoding.

    Attributes:
        model_type: The `config.model_type` this family serves (the registry's key).
        layers_path: Dotted path from the Hugging Face model to the list of decoder blocks.
        text_config_name: Name of the language model's sub-config, "" when it is the top-level config.
        vision_config_names: Names of the sub-configs that keep plain SDPA.
        processor_class: What loads the checkpoint's processor; anything with `from_pretrained`.
        token_meaning: What one image token stands for, in a few words.
    """

    model_type: ClassVar[str]
    layers_path: ClassVar[str]
    text_config_name: ClassVar[str] = "text_config"
    vision_config_names: ClassVar[tuple[str, ...]] = ("vision_config",)
    processor_class: ClassVar[Any] = AutoProcessor
    token_meaning: ClassVar[str] = "one patch of the image"

    @abstractmethod
    def grids(self, encoding: Encoding, config: Any) -> tuple[PatchGrid, ...]:
        """Patch grid of every sample, read from the encoding.

        Args:
            encoding: Output of `encode` for the batch.
            config: The Hugging Face model's config.

        Returns:
            One grid per sample, in the batch's order; the sizes may differ.

        Raises:
            ContractError: If the model's visual tokens do not form a grid.
        """

    @abstractmethod
    def default_prompt(self, placeholder: str, question: str) -> str:
        """The family's published prompt for one question, used when the processor has no chat template.

        Args:
            placeholder: The text that stands for the image.
            question: The question; may be empty (the bare template).

        Returns:
            A prompt with exactly one placeholder.
        """

    def check(self, config: Any, processor: Any) -> None:  # noqa: B027 - optional to override
        """Refuse a checkpoint whose config and processor disagree; the default accepts every checkpoint.

        Args:
            config: The Hugging Face model's config.
            processor: The processor that will build its inputs.

        Raises:
            ContractError: If the two would not give one image token per grid cell.
        """

    def normalization(self, config: Any) -> str:
        """Where a decoder block normalizes: "pre-norm" (the input of attention and MLP) unless overridden.

        Args:
            config: The Hugging Face model's config.

        Returns:
            A short name; anything but "pre-norm" contradicts the paper's description of its models.
        """
        del config
        return "pre-norm"

    def text_config(self, config: Any) -> Any:
        """The language model's config (the top-level one when there is no sub-config)."""
        return getattr(config, self.text_config_name) if self.text_config_name else config

    def attn_implementation(self, text: str, vision: str = "sdpa") -> dict[str, str]:
        """The per-sub-config attention setting: `text` for the language model, `vision` for the rest."""
        return {self.text_config_name: text, **dict.fromkeys(self.vision_config_names, vision)}

    def image_token_id(self, config: Any) -> int:
        """Id that marks an image position in `input_ids`."""
        return int(config.image_token_id)

    def placeholder(self, processor: Any) -> str:
        """Text that stands for the image in a prompt."""
        return str(processor.image_token)

    def prompt(self, processor: Any, question: str) -> str:
        """Prompt for one question: the processor's chat template when it has one, else the family's own.

        Args:
            processor: The checkpoint's processor.
            question: The question; may be empty (the bare template).

        Returns:
            A prompt with exactly one image placeholder.
        """
        if getattr(processor, "chat_template", None) is None:
            return self.default_prompt(self.placeholder(processor), question)
        content = [{"type": "image"}, {"type": "text", "text": question}]
        messages = [{"role": "user", "content": content}]
        return str(processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    def encode(self, processor: Any, images: Sequence[Image.Image], prompts: Sequence[str]) -> Encoding:
        """Left-padded model inputs for several (image, prompt) pairs, made by the processor.

        Args:
            processor: The checkpoint's processor.
            images: One image per prompt.
            prompts: Prompts with exactly one placeholder each.

        Returns:
            Tensors to pass to the model's forward as keywords.
        """
        encoding = processor(
            images=list(images), text=list(prompts), padding=True, padding_side="left", return_tensors="pt"
        )
        return {name: value for name, value in encoding.items() if isinstance(value, Tensor)}

    def position_ids(self, encoding: Encoding) -> Int[Tensor, "*axis batch seq"] | None:
        """Positions that count real tokens only, so that left padding does not move a token.

        Returns:
            One position per token (or one per token and rotary axis), arbitrary at padding; None when the
            model derives them itself.
        """
        return (encoding["attention_mask"].long().cumsum(-1) - 1).clamp(min=0)

    def template_tail(self, processor: Any, config: Any) -> Int[Tensor, "token"]:
        """Ids after the image when the question is empty: what surrounds the question in every prompt."""
        ids = processor.tokenizer(self.prompt(processor, ""))["input_ids"]
        last_image = max(i for i, token in enumerate(ids) if token == self.image_token_id(config))
        return torch.tensor(ids[last_image + 1 :], dtype=torch.long)

    def hidden(self, block_output: Any) -> Float[Tensor, "batch seq d_model"]:
        """The residual stream in a decoder block's output, which is a tensor or a tuple starting with it."""
        return block_output[0] if isinstance(block_output, tuple) else block_output

    def repack(self, block_output: Any, hidden: Float[Tensor, "batch seq d_model"]) -> Any:
        """The block's output with its residual stream replaced; inverse of `hidden`."""
        return (hidden, *block_output[1:]) if isinstance(block_output, tuple) else hidden

    def image_features(
        self, hf_model: Any, encoding: Mapping[str, Tensor], rows: Sequence[int]
    ) -> list[Float[Tensor, "patch d_model"]] | None:
        """The image tower's output for the pictures of some rows; None where the family cannot reuse it.

        Args:
            hf_model: The Hugging Face model.
            encoding: Output of `encode`.
            rows: Rows of the batch, one picture each.
        """
        del hf_model, encoding, rows
        return None

    def with_image_features(
        self, inputs: Mapping[str, Any], features: Sequence[Float[Tensor, "patch d_model"]]
    ) -> Mapping[str, Any]:
        """Forward inputs that start from image features, one per row, instead of pixels."""
        rest = {name: value for name, value in inputs.items() if name != "pixel_values"}
        return {**rest, "mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=features)}}

    def forward_inputs(self, encoding: Encoding) -> Mapping[str, Tensor]:
        """Everything a forward pass takes: the encoding, plus `position_ids` where the family sets them."""
        positions = self.position_ids(encoding)
        return encoding if positions is None else {**encoding, "position_ids": positions}


def require_equal(name: str, model_value: object, processor_value: object) -> None:
    """Refuse a checkpoint whose model and processor disagree about one setting; for `ModelFamily.check`.

    Args:
        name: The setting.
        model_value: Its value in the model's config.
        processor_value: Its value in the processor.

    Raises:
        ContractError: If the two differ.
    """
    if model_value != processor_value:
        raise ContractError(
            f"{name} is {model_value!r} in the model's config but {processor_value!r} in the processor's; "
            "the two must agree: load the processor saved with this checkpoint"
        )
