"""SmolVLM2 (`SmolVLMForConditionalGeneration`): Idefics3 with a processor that also takes videos."""

from collections.abc import Sequence
from typing import Any

from PIL import Image
from transformers import SmolVLMProcessor
from transformers.processing_utils import ProcessorMixin

from scr_lens.families.base import Encoding
from scr_lens.families.idefics3 import Idefics3Family
from scr_lens.families.stills import refuse_videos


class ImageOnlyProcessor(SmolVLMProcessor):
    """SmolVLM's processor without its video half, which needs torchvision and num2words.

    Args:
        image_processor: The image processor.
        tokenizer: The tokenizer.
        image_seq_len: Image tokens per tile.
        chat_template: The chat template, if any.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        image_seq_len: int = 169,
        chat_template: str | None = None,
    ) -> None:
        self.fake_image_token = getattr(tokenizer, "fake_image_token", "<fake_token_around_image>")
        self.image_token = getattr(tokenizer, "image_token", "<image>")
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.end_of_utterance_token = getattr(tokenizer, "end_of_utterance_token", "<end_of_utterance>")
        self.global_image_token = getattr(tokenizer, "global_image_token", "<global-img>")
        self.video_token = getattr(tokenizer, "video_token", "<video>")
        self.image_seq_len = image_seq_len
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    def apply_chat_template(self, conversation: Any, chat_template: str | None = None, **kwargs: Any) -> Any:
        """Render a conversation; nothing is asked of the missing video half.

        Args:
            conversation: Messages as the tokenizer's template takes them.
            chat_template: Another template than the checkpoint's.
            **kwargs: As transformers' processors take them.
        """
        return ProcessorMixin.apply_chat_template(self, conversation, chat_template, **kwargs)


ImageOnlyProcessor.__name__ = "SmolVLMProcessor"  # what `save_pretrained` writes


class SmolVLMFamily(Idefics3Family):
    """SmolVLM2 of any size, without image splitting: grid, prompt and marks are those of Idefics3.

    Source: transformers `models/smolvlm/modeling_smolvlm.py`, `SmolVLMModel.get_image_features`.
    """

    model_type = "smolvlm"
    processor_class = ImageOnlyProcessor

    def encode(self, processor: Any, images: Sequence[Image.Image], prompts: Sequence[str]) -> Encoding:
        """As Idefics3; a prompt that asks for a video is refused before it is counted."""
        refuse_videos(prompts, processor.video_token)
        return super().encode(processor, images, prompts)
