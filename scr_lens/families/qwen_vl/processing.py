"""Qwen-VL's processor: images to pixels, image tags to image places, built from the original files."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from transformers import PreTrainedTokenizerFast, ProcessorMixin
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.utils.hub import cached_file

from scr_lens.families.qwen_vl.configuration import QwenVLConfig
from scr_lens.families.qwen_vl.vocabulary import (
    IMAGE_END,
    IMAGE_PAD,
    IMAGE_START,
    build_tokenizer,
    read_ranks,
)

VOCABULARY_FILE = "qwen.tiktoken"
HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "token", "revision", "subfolder")
# A tagged image, whatever stands between the tags (the original puts the file's path there), or a bare place.
IMAGE_SPAN = re.compile(f"{IMAGE_START}.*?{IMAGE_END}|{IMAGE_PAD}", re.DOTALL)
SYSTEM = "You are a helpful assistant."
CHATML = (
    "{% set images = namespace(count=0) %}"
    "{% if messages[0].role != 'system' %}<|im_start|>system\n" + SYSTEM + "<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{% if part.type == 'image' %}{% set images.count = images.count + 1 %}"
    "Picture {{ images.count }}:" + IMAGE_START + IMAGE_PAD + IMAGE_END + "\n"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class QwenVLProcessor(ProcessorMixin):
    """Turns images and prompts into model inputs.

    In a prompt an image is `<img>anything</img>` or a bare `<imgpad>`; either becomes the two tags with one
    image place per resampler query between them.

    Args:
        image_processor: Squares the image and normalizes it.
        tokenizer: A tokenizer with the three image tokens.
        chat_template: Jinja template of a conversation; None for the base model.
        num_image_tokens: Image places per image, the number of resampler queries.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        num_image_tokens: int = 256,
        **kwargs: Any,
    ) -> None:
        del kwargs
        self.num_image_tokens = num_image_tokens
        self.image_token = IMAGE_PAD
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_PAD)
        super().__init__(image_processor, tokenizer, chat_template=chat_template)

    def __call__(
        self,
        images: Image.Image | Sequence[Image.Image] | None = None,
        text: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Pixels and token ids of images and prompts.

        Args:
            images: The images in the order of their places.
            text: One prompt or several.
            **kwargs: Passed on to image processor and tokenizer (`padding`, `return_tensors`, ...).

        Returns:
            `input_ids`, `attention_mask` and `pixel_values`.
        """
        if text is not None:
            prompts = [text] if isinstance(text, str) else text
            text = [IMAGE_SPAN.sub(IMAGE_START + IMAGE_PAD + IMAGE_END, prompt) for prompt in prompts]
        return super().__call__(images=images, text=text, **kwargs)

    def replace_image_token(self, image_inputs: Any, image_idx: int, **kwargs: Any) -> str:
        """The places of one image; every image has the same number."""
        del image_inputs, image_idx, kwargs
        return IMAGE_PAD * self.num_image_tokens

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Any:
        """Load a saved processor, or build one from the files of an original checkpoint.

        Args:
            pretrained_model_name_or_path: A folder or hub name.
            **kwargs: As in transformers.

        Returns:
            The processor.

        Raises:
            DataError: If the original vocabulary file is damaged.
        """
        where = {name: kwargs[name] for name in HUB_OPTIONS if name in kwargs}
        saved = _find(pretrained_model_name_or_path, "processor_config.json", where)
        ranks = _find(pretrained_model_name_or_path, VOCABULARY_FILE, where) if saved is None else None
        if ranks is None:
            return super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        config = QwenVLConfig.from_pretrained(pretrained_model_name_or_path, **where)
        generation = _find(pretrained_model_name_or_path, "generation_config.json", where)
        settings = {} if generation is None else json.loads(generation.read_text(encoding="utf-8"))
        chat = settings.get("chat_format") == "chatml"
        return build_processor(build_tokenizer(read_ranks(ranks)), config, chat=chat)


def build_processor(
    tokenizer: PreTrainedTokenizerFast, config: QwenVLConfig, *, chat: bool = False
) -> QwenVLProcessor:
    """A processor for a tokenizer and a model's sizes.

    Images are squeezed to a square without keeping their aspect ratio (bicubic) and normalized with CLIP's
    mean and standard deviation.

    Args:
        tokenizer: A tokenizer with the three image tokens.
        config: The model's config.
        chat: Whether prompts are ChatML conversations, as Qwen-VL-Chat was trained with.

    Returns:
        The processor.
    """
    side = config.vision_config.image_size
    image_processor = CLIPImageProcessorPil(size={"height": side, "width": side}, do_center_crop=False)
    return QwenVLProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        chat_template=CHATML if chat else None,
        num_image_tokens=config.vision_config.n_queries,
    )


def _find(source: Any, name: str, where: dict[str, Any]) -> Path | None:
    """A checkpoint's file, None where it has no such file."""
    found = cached_file(source, name, _raise_exceptions_for_missing_entries=False, **where)
    return None if found is None else Path(found)
