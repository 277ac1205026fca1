"""The decode loop that every method shares: scores, a token per row, until all rows have ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scr_lens.decoding.branch import Branch
from scr_lens.decoding.sampling import Sampling, choose
from scr_lens.trace import Lens


@dataclass(frozen=True, eq=False)
class Answer:
    """The raw result of one row.

    Attributes:
        token_ids: New tokens, the end-of-sequence token included.
        first_scores: The method's scores of the first token, on the CPU.
    """

    token_ids: tuple[int, ...]
    first_scores: Float[Tensor, "vocab"]


class Scorer(Protocol):
    """Anything that scores the next token of every row."""

    def scores(self, tokens: Int[Tensor, "batch"] | None) -> Float[Tensor, "batch vocab"]:
        """Read the prompt (None) or the tokens chosen last, and score the next ones."""


Combine = Callable[..., Float[Tensor, "batch vocab"]]
"""`combine(step, *logits)`: a method's formula over the logits of its branches; `step` counts from 1."""


class Contrast:
    """Several branches that read the same tokens, and the formula over their logits.

    Args:
        branches: Read in this order; `combine` gets their logits in the same order.
        combine: The method's formula.
    """

    def __init__(self, branches: Sequence[Branch], combine: Combine) -> None:
        self.branches = tuple(branches)
        self.combine = combine
        self.step = 0

    def scores(self, tokens: Int[Tensor, "batch"] | None) -> Float[Tensor, "batch vocab"]:
        """Advance every branch by the same tokens and combine."""
        self.step += 1
        return self.combine(self.step, *(branch.advance(tokens) for branch in self.branches))


def run_loop(
    scorer: Scorer,
    ends: frozenset[int],
    max_new_tokens: int,
    sampling: Sampling | None,
    generators: Sequence[torch.Generator],
) -> tuple[Answer, ...]:
    """Decode until every row has produced an end token or the limit is reached.

    Args:
        scorer: The method, at its start.
        ends: End-of-sequence ids; a row stops at the first one.
        max_new_tokens: Most new tokens per row; no forward runs after the last one.
        sampling: How to draw; None is greedy.
        generators: One per row.

    Returns:
        One answer per row. Rows that have ended are still fed, which no other row can notice.
    """
    scores = scorer.scores(None)
    first = scores.float().cpu()
    rows: list[list[int]] = [[] for _ in first]
    while True:
        tokens = choose(scores, sampling, generators)
        for row, token in zip(rows, tokens.tolist(), strict=True):
            if not row or row[-1] not in ends:
                row.append(token)
        if all(len(row) == max_new_tokens or row[-1] in ends for row in rows):
            return tuple(Answer(tuple(row), values) for row, values in zip(rows, first, strict=True))
        scores = scorer.scores(tokens)


def end_ids(lens: Lens) -> frozenset[int]:
    """The end-of-sequence ids of the model's generation config; empty if it names none."""
    ends = lens.hf_model.generation_config.eos_token_id
    return frozenset(() if ends is None else ends if isinstance(ends, (list, tuple)) else (int(ends),))
