"""Random-weight LLaVA models with real processors, built from configs without any file or network."""

from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
WORDS = (
    "USER: ASSISTANT: yes no is there a an the dog cat ball in on of and left right red blue what color "
    "describe this image detail. Describe detail . ?"
)


@dataclass(frozen=True, kw_only=True)
class SyntheticLlava:
    """Sizes of a random-weight LLaVA.

    Args:
        n_layers: Decoder blocks.
        d_model: Width of the residual stream.
        n_heads: Query heads.
        n_kv_heads: Key and value heads; fewer than `n_heads` is grouped-query attention.
        d_mlp: Width of the gated MLP.
        image_size: Side of the square image in pixels.
        patch_size: Side of a patch in pixels.
        vision_layers: Blocks of the CLIP tower.
        vision_width: Width of the CLIP tower.
        gain: Factor on the decoder's weight matrices; at 1 they hardly change the residual stream.
        vision_gain: Factor on the weight matrices of tower and projector.
        seed: Seed of the weights.
    """

    n_layers: int = 4
    d_model: int = 32
    n_heads: int = 4
    n_kv_heads: int = 4
    d_mlp: int = 64
    image_size: int = 56
    patch_size: int = 14
    vision_layers: int = 3
    vision_width: int = 32
    gain: float = 6.0
    vision_gain: float = 3.0
    seed: int = 0

    @property
    def n_patches(self) -> int:
        """Image tokens per image."""
        return (self.image_size // self.patch_size) ** 2


def build_llava(sizes: SyntheticLlava) -> tuple[Any, Any]:
    """Build a model and its processor.

    Args:
        sizes: Sizes and seed.

    Returns:
        A `LlavaForConditionalGeneration` in evaluation mode with eager attention, and a `LlavaProcessor`.
    """
    tokenizer = build_tokenizer()
    config = _config(sizes, tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sizes.seed)
        model = LlavaForConditionalGeneration._from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim >= 2:
                parameter.mul_(sizes.vision_gain if "vision" in name or "projector" in name else sizes.gain)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = None
    image_processor = CLIPImageProcessorPil(
        size={"shortest_edge": sizes.image_size},
        crop_size={"height": sizes.image_size, "width": sizes.image_size},
    )
    processor = LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        patch_size=sizes.patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    return model.eval(), processor


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A word-level tokenizer with an image token and a few dozen words.

    Returns:
        A fast tokenizer that puts "<s>" in front and maps unknown words to "<unk>".
    """
    vocabulary = {
        token: index for index, token in enumerate(dict.fromkeys((*SPECIAL_TOKENS, *WORDS.split())))
    }
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    start = ("<s>", vocabulary["<s>"])
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[start])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<image>"],
    )


def _config(sizes: SyntheticLlava, tokenizer: PreTrainedTokenizerFast) -> LlavaConfig:
    vision = CLIPVisionConfig(
        hidden_size=sizes.vision_width,
        intermediate_size=2 * sizes.vision_width,
        num_hidden_layers=sizes.vision_layers,
        num_attention_heads=4,
        image_size=sizes.image_size,
        patch_size=sizes.patch_size,
        projection_dim=sizes.vision_width,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.d_model,
        intermediate_size=sizes.d_mlp,
        num_hidden_layers=sizes.n_layers,
        num_attention_heads=sizes.n_heads,
        num_key_value_heads=sizes.n_kv_heads,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        max_position_embeddings=2048,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=sizes.n_patches,
        vision_feature_layer=-2,
    )
