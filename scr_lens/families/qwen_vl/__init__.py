"""Qwen-VL (2023) for transformers 5: a native port that loads the original checkpoints without remote code.

Importing this package makes `AutoConfig`, `AutoModelForImageTextToText` and `AutoProcessor` know it.

A copy of the checkpoint with pickled weights (`pytorch_model-*.bin`) is refused by `scr_lens.load`. Convert
it once; transformers reads the pickle without running code from it:

    QwenVLForConditionalGeneration.from_pretrained(folder, use_safetensors=False).save_pretrained(new_folder)
    QwenVLProcessor.from_pretrained(folder).save_pretrained(new_folder)
"""

from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
from transformers.conversion_mapping import register_checkpoint_conversion_mapping

from scr_lens.families.qwen_vl.configuration import QwenVLConfig, QwenVLVisionConfig
from scr_lens.families.qwen_vl.family import QwenVLFamily
from scr_lens.families.qwen_vl.modeling import QwenVLForConditionalGeneration, QwenVLModel
from scr_lens.families.qwen_vl.processing import QwenVLProcessor, build_processor
from scr_lens.families.qwen_vl.vocabulary import build_tokenizer, read_ranks
from scr_lens.families.qwen_vl.weights import conversion_mapping

__all__ = [
    "QwenVLConfig",
    "QwenVLFamily",
    "QwenVLForConditionalGeneration",
    "QwenVLModel",
    "QwenVLProcessor",
    "QwenVLVisionConfig",
    "build_processor",
    "build_tokenizer",
    "read_ranks",
]

AutoConfig.register(QwenVLConfig.model_type, QwenVLConfig, exist_ok=True)
AutoModelForImageTextToText.register(QwenVLConfig, QwenVLForConditionalGeneration, exist_ok=True)
AutoProcessor.register(QwenVLConfig, QwenVLProcessor, exist_ok=True)
register_checkpoint_conversion_mapping(
    QwenVLForConditionalGeneration.__name__, conversion_mapping(), overwrite=True
)
