"""A published model with random weights, made on its device, and a processor with a stand-in tokenizer."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    ChameleonProcessor,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.initialization import no_init_weights
from transformers.models.chameleon.image_processing_pil_chameleon import ChameleonImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from scr_lens.errors import ConfigError
from scr_lens.families.published.read import PublishedModel
from scr_lens.families.published.repeat import repeat_blocks
from scr_lens.families.qwen_vl import build_processor
from scr_lens.families.registry import family_for

STD = 0.02
"""Standard deviation of every weight matrix."""
WORDS = (
    "USER: ASSISTANT: Answer: Answer system user assistant You are a helpful yes no Yes No is Is there "
    "an the dog cat ball in on of and or left right red blue what color describe Describe this image image? "
    "detail. no. . ?"
)


def build_published(
    facts: PublishedModel,
    *,
    dtype: torch.dtype,
    device: str,
    n_layers: int | None = None,
    distinct_blocks: int | None = None,
    seed: int = 0,
) -> tuple[Any, Any]:
    """Build a model of the published sizes with random weights, and its processor.

    Parameters are created in their final number type on their final device; nothing larger exists on the way.

    Args:
        facts: The checkpoint.
        dtype: Parameter type.
        device: Such as "cpu", "cuda" or "meta" (shapes only).
        n_layers: Decoder blocks to keep; None keeps all. The image tower stays whole.
        distinct_blocks: Blocks with weights of their own, which the others repeat (`repeat_blocks`); None
            gives every block its own.
        seed: Seed of the weights.

    Returns:
        The Hugging Face model in evaluation mode, and the processor.

    Raises:
        ConfigError: If the model does not have that many blocks, or fewer than are to be distinct.
    """
    tokenizer = stand_in_tokenizer(facts)
    full = published_config(facts, tokenizer, n_layers)
    config = full if distinct_blocks is None else _first_blocks(facts, tokenizer, full, distinct_blocks)
    with torch.device(device), no_init_weights():
        model = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    if device != "meta":
        fill(model, seed)
    if distinct_blocks is not None:
        repeat_blocks(model, full)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model.eval(), PROCESSORS[facts.model_type](facts, tokenizer, config)


def _first_blocks(facts: PublishedModel, tokenizer: PreTrainedTokenizerFast, full: Any, count: int) -> Any:
    depth = family_for(facts.model_type).text_config(full).num_hidden_layers
    if not 1 <= count <= depth:
        raise ConfigError(
            f"--distinct-blocks {count}: {depth} decoder blocks are to be made; "
            f"give a number from 1 to {depth}"
        )
    return published_config(facts, tokenizer, count)


def published_config(
    facts: PublishedModel, tokenizer: PreTrainedTokenizerFast, n_layers: int | None = None
) -> Any:
    """The Hugging Face config of a published model, cut to some blocks.

    Args:
        facts: The checkpoint.
        tokenizer: Its tokenizer, whose vocabulary Chameleon's config repeats.
        n_layers: Decoder blocks to keep; None keeps all.

    Returns:
        The config.

    Raises:
        ConfigError: If the model does not have that many blocks.
    """
    settings = copy.deepcopy(dict(facts.config))
    if facts.model_type == "chameleon":
        settings["vocabulary_map"] = tokenizer.get_vocab()
    model_type = settings.pop("model_type")
    config = type(AutoConfig.for_model(model_type)).from_dict(settings)
    text = family_for(model_type).text_config(config)
    if n_layers is not None:
        if not 1 <= n_layers <= text.num_hidden_layers:
            raise ConfigError(
                f"--layers {n_layers}: {facts.name} has {text.num_hidden_layers} decoder blocks; "
                f"give a number from 1 to {text.num_hidden_layers}"
            )
        text.num_hidden_layers = n_layers
        if getattr(text, "layer_types", None):
            text.layer_types = text.layer_types[:n_layers]
    return config


@torch.no_grad()
def fill(model: nn.Module, seed: int) -> None:
    """Give a model random weights in place: matrices normal, normalizations neutral, biases 0.

    Args:
        model: A model whose parameters hold no values yet.
        seed: Seed of the generator on the parameters' device.
    """
    generator: torch.Generator | None = None
    for name, parameter in model.named_parameters():
        if generator is None:
            generator = torch.Generator(parameter.device).manual_seed(seed)
        if name.endswith("bias"):
            parameter.zero_()
        else:
            parameter.normal_(std=STD, generator=generator)
    for module in model.modules():
        weight = getattr(module, "weight", None)
        if type(module).__name__.endswith("Norm") and weight is not None:
            weight.fill_(1)


def stand_in_tokenizer(facts: PublishedModel) -> PreTrainedTokenizerFast:
    """A tokenizer with the published ids of the special tokens and one id per word of a few prompts.

    Args:
        facts: The checkpoint.

    Returns:
        A fast tokenizer; unknown words are one unknown token.
    """
    vocabulary = dict(facts.special_tokens)
    if facts.model_type == "chameleon":
        first_code = 4  # the codes follow the four tokens of every vocabulary
        vocabulary |= {
            code_name(i): first_code + i for i in range(facts.config["vq_config"]["num_embeddings"])
        }
    taken = set(vocabulary.values())
    free = (index for index in range(len(taken) + 10_000) if index not in taken)
    vocabulary |= {word: next(free) for word in dict.fromkeys(WORDS.split())}
    known = set(facts.special_tokens)
    unknown = "<unk>" if "<unk>" in known else "<|endoftext|>"
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"unk_token": unknown, "pad_token": "<pad>" if "<pad>" in known else unknown}
    if "<s>" in known:
        start = ("<s>", vocabulary["<s>"])
        backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[start])
        names |= {"bos_token": "<s>", "eos_token": "</s>"}
    if facts.model_type == "chameleon":
        names |= {"sep_token": "<reserved08706>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        additional_special_tokens=sorted(known - set(names.values())),
        model_input_names=["input_ids", "attention_mask"],
        **names,
    )


def code_name(index: int) -> str:
    """How Chameleon's vocabulary writes an image code: its decimal digits as letters, then Z."""
    return "IMGIMG" + "".join(chr(ord("A") + int(digit)) for digit in str(index)) + "Z"


def _llava(facts: PublishedModel, tokenizer: Any, config: Any) -> Any:
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(**facts.image_processor),
        tokenizer=tokenizer,
        patch_size=config.vision_config.patch_size,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=1,
    )


def _chameleon(facts: PublishedModel, tokenizer: Any, config: Any) -> Any:
    images = ChameleonImageProcessorPil(**facts.image_processor)
    stride = 2 ** (len(config.vq_config.channel_multiplier) - 1)
    return ChameleonProcessor(
        images, tokenizer, image_seq_length=(config.vq_config.resolution // stride) ** 2
    )


def _qwen2_vl(facts: PublishedModel, tokenizer: Any, config: Any) -> Any:
    images = Qwen2VLImageProcessorPil(**facts.image_processor)
    return family_for(config.model_type).processor_class(images, tokenizer)


def _qwen_vl(facts: PublishedModel, tokenizer: Any, config: Any) -> Any:
    del facts
    return build_processor(tokenizer, config)


PROCESSORS: dict[str, Callable[[PublishedModel, Any, Any], Any]] = {
    "llava": _llava,
    "chameleon": _chameleon,
    "qwen2_vl": _qwen2_vl,
    "qwen": _qwen_vl,
}
