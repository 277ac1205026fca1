"""One (image, question) pair as a user states it, and a batch of them as a model takes it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from scr_lens.errors import DataError
from scr_lens.layout import TokenLayout
from scr_lens.rgb import upright_rgb


@dataclass(frozen=True, eq=False)
class Sample:
    """An image with a question about it, or with a whole prompt.

    Args:
        image: A PIL image, of any mode but 32-bit numbers; kept as RGB, upright as its EXIF orientation says.
        question: Text put into the family's prompt template.
        prompt: A complete prompt instead, with the image placeholder exactly once.
        image_id: Name of the image in results; free text.

    Raises:
        DataError: If the image is not a readable PIL image, or not exactly one non-empty text is given.
    """

    image: Image.Image
    question: str | None = None
    prompt: str | None = None
    image_id: str = ""

    def __post_init__(self) -> None:
        if (self.question is None) == (self.prompt is None):
            raise DataError(
                f"Sample(question={self.question!r}, prompt={self.prompt!r}): give exactly one of "
                "question (put into the model's template) and prompt (used as it is)"
            )
        for name, text in (("question", self.question), ("prompt", self.prompt)):
            if text is not None and (not isinstance(text, str) or not text.strip()):
                raise DataError(f"{name} is {text!r}; give a text that is not empty")
        object.__setattr__(self, "image", _rgb(self.image))

    @property
    def image_digest(self) -> str:
        """SHA-256 of the image's size and pixels: the same for the same picture, whatever its name."""
        return hashlib.sha256(f"{self.image.size}".encode() + self.image.tobytes()).hexdigest()

    def rendered(self, placeholder: str, template: str) -> str:
        """The sample's complete prompt.

        Args:
            placeholder: Text that stands for the image.
            template: The family's prompt for this sample's question; ignored when the sample has its own
                prompt.

        Returns:
            A prompt with the placeholder exactly once.

        Raises:
            DataError: If the question holds a placeholder, or the prompt does not hold exactly one.
        """
        if self.question is not None and placeholder in self.question:
            raise DataError(
                f"question {self.question!r} contains the image placeholder {placeholder!r}; "
                "leave it out (the template adds it) or give the whole text as prompt="
            )
        text = template if self.prompt is None else self.prompt
        if text.count(placeholder) != 1:
            raise DataError(
                f"prompt {text!r} holds the image placeholder {placeholder!r} {text.count(placeholder)} "
                "times; put it in exactly once, where the image belongs"
            )
        return text


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Samples with their left-padded encoding, made by `Lens.prepare`.

    Args:
        samples: The samples, one per row.
        prompts: The complete prompts, one per row.
        layouts: Where image and text sit in each row.
        encoding: What the processor returned: `generate` takes it as it is.
        forward_inputs: What a forward pass takes: the encoding and position ids that ignore padding; after
            `encode_images`, image features in place of pixels.
    """

    samples: tuple[Sample, ...]
    prompts: tuple[str, ...]
    layouts: tuple[TokenLayout, ...]
    encoding: Mapping[str, Tensor] = field(repr=False)
    forward_inputs: Mapping[str, Any] = field(repr=False)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def seq_len(self) -> int:
        """Length of every row, padding included."""
        return self.layouts[0].seq_len

    def inputs_on(self, device: str | torch.device) -> dict[str, Any]:
        """What a forward pass takes, tensors on a device; image features stay where the tower left them."""
        return {
            name: value.to(device) if isinstance(value, Tensor) else value
            for name, value in self.forward_inputs.items()
        }


def _rgb(image: object) -> Image.Image:
    if not isinstance(image, Image.Image):
        raise DataError(
            f"image is a {type(image).__name__}; give a PIL image, such as PIL.Image.open(path) "
            "or PIL.Image.fromarray(array)"
        )
    if min(image.size) < 1:
        raise DataError(f"image has size {image.size}; give an image with at least one pixel")
    try:
        return upright_rgb(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"image cannot be decoded ({error}); check that the file is complete") from error
