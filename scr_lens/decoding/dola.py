"""Decoding by contrasting layers: the final distribution against that of an early block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scr_lens.decoding.branch import Branch
from scr_lens.decoding.contrast import plausible, require_contrast
from scr_lens.decoding.engine import Scorer
from scr_lens.decoding.hooks import reading_last_states
from scr_lens.decoding.method import Context, StepDecoder, Traits
from scr_lens.errors import ConfigError, unknown_name
from scr_lens.trace import Lens

Bucket = Literal["all", "low", "high"]


def combine(
    logits: Float[Tensor, "batch vocab"],
    early: Float[Tensor, "layer batch vocab"],
    relative_top: float,
) -> Float[Tensor, "batch vocab"]:
    """DoLa's scores against the early layer that differs most, chosen per row.

    score = ln p - ln q_j where ln p_y >= max ln p + ln relative_top, -inf elsewhere; j = premature(...)

    Args:
        logits: Logits of the final layer.
        early: Logits of each candidate layer.
        relative_top: Plausibility filter.

    Returns:
        Scores.

    Source: DoLa, Sec. 2 and its code.
    """
    p, q = torch.log_softmax(logits, dim=-1), torch.log_softmax(early, dim=-1)
    chosen = premature(p, q)
    picked = q[chosen, torch.arange(len(chosen), device=q.device)]
    return (p - picked).masked_fill(~plausible(p, relative_top), float("-inf"))


def premature(
    p: Float[Tensor, "batch vocab"], q: Float[Tensor, "layer batch vocab"]
) -> Int[Tensor, " batch"]:
    """The candidate layer farthest from the final one.

    j = argmax_j (KL(m || p) + KL(m || q_j)) / 2 with m = (p + q_j) / 2, mean over the vocabulary

    The direction is that of the authors' code; textbook Jensen-Shannon divergence has KL(p || m).

    Args:
        p: Log-probabilities of the final layer.
        q: Log-probabilities of each candidate.

    Returns:
        Index into the candidates; of equal ones the lowest.
    """
    m = (p.exp() + q.exp()) / 2
    log_m = m.clamp_min(torch.finfo(m.dtype).tiny).log()
    terms = torch.where(m > 0, m * (2 * log_m - p - q), torch.zeros_like(m))
    return (terms.mean(dim=-1) / 2).argmax(dim=0)


@dataclass(frozen=True, kw_only=True)
class Dola(StepDecoder):
    """DoLa (Chuang et al., ICLR 2024); the SCR paper's first version does not compare with it.

    From the authors' code: early states go through the output head without the final norm, the reversed
    divergence, relative_top 0.1. Layers: every second one from the embedding on, which for 32 blocks is the
    set {0, 2, ..., 30} that HALC uses on vision-language models. Our choice: the layer is chosen per row
    (theirs averages over the batch), and entries that the model itself removes from its logits are removed
    from the early ones too. The authors recommend a repetition penalty of 1.2 for long texts; none is
    applied.

    Args:
        relative_top: Plausibility filter.
        bucket: Candidate layers: "all", or the "low" or "high" half of them.

    Raises:
        ConfigError: If a setting is out of range.
    """

    name: ClassVar[str] = "dola"
    description: ClassVar[str] = "contrast with an early layer of the same forward"
    traits: ClassVar[Traits] = Traits(extra="one output head product per candidate layer")

    relative_top: float = 0.1
    bucket: Bucket = "all"

    def __post_init__(self) -> None:
        require_contrast(self.name, 0, self.relative_top)
        if self.bucket not in get_args(Bucket):
            raise ConfigError(unknown_name("DoLa bucket", self.bucket, get_args(Bucket)))

    def candidates(self, n_layers: int) -> tuple[int, ...]:
        """Numbers of the candidate states: 0 is the embedding, i the output of block i - 1."""
        halves = {"all": (0, n_layers), "low": (0, n_layers // 2), "high": (n_layers // 2, n_layers)}
        first, end = halves[self.bucket]
        return tuple(range(first + first % 2, end, 2))

    def start(self, context: Context) -> Scorer:
        """One branch whose early states are read."""
        return _EarlyExits(context, self.candidates(context.lens.n_layers), self.relative_top)


class _EarlyExits:
    """Scores from one branch and its early states."""

    def __init__(self, context: Context, candidates: Sequence[int], relative_top: float) -> None:
        self.lens = context.lens
        self.candidates = frozenset(candidates)
        self.relative_top = relative_top
        self.states: dict[int, Float[Tensor, "batch d_model"]] = {}
        # The edit of a composed method comes first, so that what is read is what the next block sees.
        self.branch: Branch = context.main_branch(reading_last_states(self.lens, self._read))

    def scores(self, tokens: Int[Tensor, " batch"] | None) -> Float[Tensor, "batch vocab"]:
        logits = self.branch.advance(tokens)
        early = torch.stack([early_logits(self.lens, h, logits) for _, h in sorted(self.states.items())])
        return combine(logits, early, self.relative_top)

    def _read(self, number: int, states: Tensor) -> None:
        if number in self.candidates:
            self.states[number] = states


def early_logits(
    lens: Lens, states: Float[Tensor, "batch d_model"], final: Float[Tensor, "batch vocab"]
) -> Float[Tensor, "batch vocab"]:
    """The output head on early states, without the final norm.

    Args:
        lens: The model.
        states: States of the last position.
        final: The model's own logits; what it sets to the lowest number is set so here too.
    """
    with torch.no_grad():
        logits: Tensor = lens.hf_model.get_output_embeddings()(states).float()
    lowest = float(torch.finfo(lens.hf_model.dtype).min)
    return logits.masked_fill(final <= lowest, lowest)
