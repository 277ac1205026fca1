"""What a family's processor makes of samples; what it refuses is bad input, and is said so."""

from collections.abc import Sequence
from typing import Any

from scr_lens.errors import DataError
from scr_lens.families.base import Encoding, ModelFamily
from scr_lens.trace.image_once import each_image_once
from scr_lens.trace.sample import Sample
from scr_lens.trace.unknown_words import warn_of_unknown_words


def encode(
    family: ModelFamily, processor: Any, samples: Sequence[Sample], prompts: Sequence[str]
) -> Encoding:
    """Left-padded model inputs for samples; every distinct picture is preprocessed once.

    Words of a question that the vocabulary does not have are logged as a warning, once each.

    Args:
        family: The model's family.
        processor: The checkpoint's processor.
        samples: The samples.
        prompts: The complete prompts, one per sample.

    Returns:
        Tensors by name of the forward's keyword.

    Raises:
        DataError: If the processor refuses a picture or prompt, such as Qwen2-VL's one whose sides differ
            more than 200 times.
    """
    images = [sample.image for sample in samples]
    try:
        encoding = family.encode(each_image_once(processor), images, prompts)
    except ValueError as error:
        sizes = ", ".join(f"{width} x {height}" for width, height in sorted({one.size for one in images}))
        raise DataError(
            f"the processor of the family {family.model_type!r} refuses a picture or its prompt ({error}); "
            f"pictures given: {sizes} pixels; crop the one that does not fit, or leave it out"
        ) from error
    questions = [sample.question for sample in samples]
    warn_of_unknown_words(processor.tokenizer, questions, encoding["input_ids"])
    return encoding
