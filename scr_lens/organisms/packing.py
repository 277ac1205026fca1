"""Packing: several questions and one caption about a picture share its image tokens in one training sequence.

Every slot sees the image prefix and itself, at positions that restart after the prefix, so each slot is
exactly the sequence that the model meets when it is asked that question alone. Slots have fixed widths, hence
one mask and one row of positions serve the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from scr_lens.errors import DataError
from scr_lens.organisms.bodies import Body
from scr_lens.organisms.corpus import Corpus
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.language import (
    DESCRIBE,
    FIRST_QUESTION_SHARE,
    QUESTIONS,
    caption,
    question,
    sample_questions,
)
from scr_lens.organisms.recipe import Recipe
from scr_lens.organisms.scenes import SCENE_TYPES

QUESTION_WIDTH = 11
"""Tokens of the longest question with its answer, end token and the architecture's own tokens excluded."""
CAPTION_WIDTH = 40
"""Tokens of the longest caption prompt with its caption, likewise."""
IGNORED = -100
"""Target of positions without a loss, as in torch's cross entropy."""


@dataclass(frozen=True)
class PackedBatch:
    """Training input of one step.

    Args:
        pixels: Normalized pictures.
        input_ids: Prefix, question slots, caption slot.
        targets: Next token wherever a loss is taken, else `IGNORED`.
        is_answer: True where the target is a yes/no answer (as opposed to a caption word or an end token).
        is_name: True at the last token of the category that a question asks for.
    """

    pixels: Float[Tensor, "batch 3 height width"]
    input_ids: Int[Tensor, "batch token"]
    targets: Int[Tensor, "batch token"]
    is_answer: Bool[Tensor, "batch token"]
    is_name: Bool[Tensor, "batch token"]


class Packer:
    """Builds packed batches from a corpus.

    Args:
        corpus: Rendered scenes.
        tokenizer: The organism's tokenizer.
        recipe: Number of questions per picture and share of tempting negatives.
        body: The organism's architecture.
    """

    def __init__(
        self, corpus: Corpus, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, body: Body
    ) -> None:
        self.corpus = corpus
        self.recipe = recipe
        self.body = body
        self._encode = cache(lambda text: tokenizer(text, add_special_tokens=False).input_ids)
        self._answers = (self._encode("yes")[0], self._encode("no")[0])
        self._eos, self._pad = tokenizer.eos_token_id, tokenizer.pad_token_id
        self.prefix = body.prefix_ids(tokenizer, corpus.grid)
        own = len(self._encode(body.tail.format(question="")))
        self.question_width, self.caption_width = QUESTION_WIDTH + own, CAPTION_WIDTH + own
        self.widths = [self.question_width] * recipe.questions + [self.caption_width]

    def batch(self, indices: np.ndarray, rng: np.random.Generator, device: torch.device) -> PackedBatch:
        """Packs the pictures of the given corpus indices with freshly drawn questions."""
        rows = [self._row(int(index), rng) for index in indices]
        arrays = [torch.tensor(np.stack(part)).to(device) for part in zip(*rows, strict=True)]
        return PackedBatch(self.body.normalize(self.corpus.pixels[indices], device), *arrays)

    def positions(self, device: torch.device) -> Int[Tensor, "axis token"]:
        """Position of each token on every rotary axis: slots restart right after the prefix."""
        start = self.body.prefix_positions(self.prefix, self.corpus.grid)
        after = start.max() + 1 + np.concatenate([np.arange(width) for width in self.widths])
        rows = np.concatenate([start, np.tile(after, (len(start), 1))], axis=1)
        return torch.tensor(rows, device=device)

    def mask(self, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "1 1 token token"]:
        """Additive attention mask: causal, and a slot sees no other slot."""
        slot = np.concatenate([np.full(w, k) for k, w in enumerate([len(self.prefix), *self.widths])])
        visible = (slot[None, :] == 0) | (slot[None, :] == slot[:, None])
        visible &= np.tril(np.ones_like(visible))
        blocked = torch.tensor(~visible, device=device)
        return torch.zeros(blocked.shape, device=device, dtype=dtype).masked_fill(
            blocked, torch.finfo(dtype).min
        )[None, None]

    def _row(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        present = self.corpus.categories(index)
        place = SCENE_TYPES[self.corpus.places[index]]
        pool = [CATEGORY_NAMES.index(name) for name in place.pool]
        pairs = sample_questions(rng, present, pool, self.recipe.questions, self.recipe.pool_share)
        slots = [self._question(CATEGORY_NAMES[c], self._wording(rng), yes) for c, yes in pairs]
        told = caption(place.name, [CATEGORY_NAMES[c] for c in present])
        slots.append(self._slot(DESCRIBE[rng.integers(len(DESCRIBE))], told, self.caption_width))
        n = len(self.prefix)
        opening = (np.asarray(self.prefix), np.full(n, IGNORED), np.zeros(n, bool), np.zeros(n, bool))
        return tuple(np.concatenate(parts) for parts in zip(opening, *slots, strict=True))

    def _question(self, name: str, template: int, is_present: bool) -> tuple[np.ndarray, ...]:
        asked = question(name, template)
        ids, targets, _, names = self._slot(asked, "yes" if is_present else "no", self.question_width)
        up_to_name = self.body.tail.format(question=asked).split(name)[0] + name
        names[len(self._encode(up_to_name)) - 1] = True
        return ids, targets, np.isin(targets, self._answers), names

    def _wording(self, rng: np.random.Generator) -> int:
        return 0 if rng.random() < FIRST_QUESTION_SHARE else int(rng.integers(1, len(QUESTIONS)))

    def _slot(self, asked: str, answer: str, width: int) -> tuple[np.ndarray, ...]:
        prompt = self._encode(self.body.tail.format(question=asked))
        reply = self._encode(answer)
        if len(prompt) + len(reply) > width:
            raise DataError(f"{asked!r} with its answer: over {width} tokens; raise the slot's width")
        ids, targets = np.full(width, self._pad), np.full(width, IGNORED)
        ids[: len(prompt) + len(reply)] = prompt + reply
        targets[len(prompt) - 1 : len(prompt) + len(reply)] = [*reply, self._eos]
        return ids, targets, np.zeros(width, bool), np.zeros(width, bool)
