"""A word-level tokenizer for tiny models, built from nothing."""

from collections.abc import Sequence

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from scr_lens.trace.synthetic import WORDS

BASE = ("<pad>", "<s>", "</s>", "<unk>")


def word_tokenizer(special: Sequence[str], more: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """One id per word; `special` are split off wherever they stand, `more` are ordinary entries."""
    names = dict.fromkeys((*BASE, *special, *more, *WORDS.split()))
    vocabulary = {name: index for index, name in enumerate(names)}
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
        additional_special_tokens=list(special),
    )
