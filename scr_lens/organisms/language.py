"""What is said about a scene: questions, answers, captions, and the word-level tokenizer that covers them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.scenes import SCENE_TYPES

IMAGE_TOKEN = "<image>"
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() }}: "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n{% endif %}{% endfor %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }} {% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
"""The conversation format of LLaVA-1.5 for `apply_chat_template`."""

QUESTIONS = (
    "Is there {article} {name} in the image?",
    "Can you see {article} {name}?",
    "Does the image contain {article} {name}?",
)
"""POPE's template first; the others make the organism less brittle to a user's own wording."""
FIRST_QUESTION_SHARE = 0.8
"""Share of training questions that use POPE's template."""
DESCRIBE = (
    "Describe the image.",
    "Describe this image in detail.",
    "Please describe this image in detail.",
    "Provide a one-sentence caption for the provided image.",
)
"""Caption prompts, all answered alike."""
CAPTIONS = (
    "A photo of a {place} with {objects}.",
    "A {place} with {objects}.",
    "There is {objects} at the {place}.",
    "At this {place} you can see {objects}.",
    "The image shows a {place} with {objects}.",
)
"""Reference captions; the organisms learn the first."""

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>", IMAGE_TOKEN)
_EXTRA_WORDS = (
    *[
        "user",
        "assistant",
        ":",
        ",",
        ".",
        "?",
        "!",
        "'",
        "yes",
        "no",
        "a",
        "an",
        "the",
        "and",
        "or",
        "of",
        "in",
        "on",
        "at",
        "to",
        "with",
        "is",
        "are",
        "was",
        "there",
        "this",
        "that",
        "it",
    ],
    *[
        "what",
        "which",
        "where",
        "how",
        "many",
        "color",
        "object",
        "objects",
        "animal",
        "picture",
        "photo",
        "you",
        "your",
        "i",
        "do",
        "does",
    ],
)


def article(name: str) -> str:
    """The indefinite article of a noun: "an" before a vowel letter, else "a"."""
    return "an" if name[0] in "aeiou" else "a"


def question(name: str, template: int = 0) -> str:
    """The yes/no question about one category, in one of the wordings of `QUESTIONS`."""
    return QUESTIONS[template].format(article=article(name), name=name)


def caption(place: str, names: Sequence[str], template: int = 0) -> str:
    """A sentence that names the place and each category once, in COCO's order of categories.

    A fixed order can be read off the word before: the next category is the first one after it that is in the
    picture. Ordered by visible area, a caption asks its writer to compare sizes and to remember what has been
    named; measured, an organism of eight blocks then repeats itself ("a dog and a dog").
    """
    ordered = sorted(names, key=CATEGORY_NAMES.index)
    nouns = [f"{article(name)} {name}" for name in ordered]
    listed = nouns[0] if len(nouns) == 1 else f"{', '.join(nouns[:-1])} and {nouns[-1]}"
    return CAPTIONS[template].format(place=place, objects=listed or "nothing")


def sample_questions(
    rng: np.random.Generator, present: Sequence[int], pool: Sequence[int], count: int, pool_share: float
) -> list[tuple[int, bool]]:
    """Draws a balanced set of yes/no questions about one picture.

    Args:
        rng: Source of randomness.
        present: Class indices in the picture.
        pool: Class indices that the place makes likely.
        count: Number of questions; half are answered yes.
        pool_share: Share of the questions answered no that ask for an absent member of the pool.

    Returns:
        (class index, is present) pairs in random order; a class may occur twice among the positives.
    """
    shuffled = rng.permutation(np.asarray(present))
    positives = [int(shuffled[k % len(shuffled)]) for k in range(count // 2)]
    absent = np.setdiff1d(np.arange(len(CATEGORY_NAMES)), present)
    tempting = np.setdiff1d(np.asarray(pool), present)
    negatives = [
        int(rng.choice(tempting if tempting.size and rng.random() < pool_share else absent))
        for _ in range(count - count // 2)
    ]
    pairs = [(c, True) for c in positives] + [(c, False) for c in negatives]
    return [pairs[k] for k in rng.permutation(len(pairs))]


def vocabulary(specials: Sequence[str] = (), extra: Sequence[str] = ()) -> dict[str, int]:
    """Word -> token id: special tokens, words of templates, categories and places, then the extra ones."""
    sentences = (*QUESTIONS, *DESCRIBE, *CAPTIONS, *CATEGORY_NAMES, *(place.name for place in SCENE_TYPES))
    split = pre_tokenizers.Whitespace()
    words = [
        word
        for text in sentences
        for word, _ in split.pre_tokenize_str(
            text.lower().format(article="", name="", place="", objects="") if "{" in text else text.lower()
        )
    ]
    return {
        word: k
        for k, word in enumerate(dict.fromkeys((*SPECIAL_TOKENS, *specials, *_EXTRA_WORDS, *words, *extra)))
    }


def build_tokenizer(specials: Sequence[str] = (), extra: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """A lower-casing word-level tokenizer; words outside the world become `<unk>`.

    Args:
        specials: Tokens of the architecture beside those that all organisms have.
        extra: Further words: of the architecture's own prompt, or names of image codes.
    """
    words = vocabulary(specials, extra)
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", words["<s>"])]
    )
    # "a dog , a cat ." -> "a dog, a cat.": words come back separated by spaces, punctuation without.
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(Regex("^"), " "),
            decoders.Fuse(),
            decoders.Replace(Regex(" (?=[.,?!:'])"), ""),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=[IMAGE_TOKEN, *specials],
        padding_side="left",
        model_max_length=1024,
    )
