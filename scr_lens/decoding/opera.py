"""OPERA: beam search that penalizes candidates whose attention piles up on one earlier token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from scr_lens.decoding.beam_reader import BeamReader
from scr_lens.decoding.engine import Answer, end_ids
from scr_lens.decoding.method import Context, Decoder, Traits
from scr_lens.decoding.opera_search import OperaSearch
from scr_lens.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Opera(Decoder):
    """OPERA (Huang et al., CVPR 2024).

    From the authors' code: 5 beams, 5 candidates, sigma 50, retrospection threshold 15, weight 1, maximum
    over the heads of the last block, rows normalized over all keys, the image bonus for responses of up to
    10 tokens, candidates at -999 elsewhere, length penalty 1. On answers of up to 10 tokens there is neither
    penalty nor retrospection. Our choice: products in logarithms (theirs overflow in half precision),
    candidates as one forward of several alternatives at one position instead of one forward each, history
    that moves with its beam and returns with a rollback, and replay over the prompt's cache instead of a
    fresh prefill.

    Args:
        beams: Beams kept.
        candidates: Tokens per beam that are considered.
        sigma: Factor on the attention.
        threshold: Retrospection starts when the same column led more often than this in every beam.
        weight: Strength of the penalty.

    Raises:
        ConfigError: If a setting is out of range.
    """

    name: ClassVar[str] = "opera"
    description: ClassVar[str] = "beam search with a penalty on attention that piles up, and rollback"
    traits: ClassVar[Traits] = Traits(
        prefills="1",
        forwards_per_token="2 (5 beams each: one token, then all candidates at once), more after a rollback",
        caches="5 (one per beam)",
        attention="last block, response rows, maximum over heads",
        batched=False,
    )

    yes_no_tokens: ClassVar[int] = 10

    beams: int = 5
    candidates: int = 5
    sigma: float = 50.0
    threshold: int = 15
    weight: float = 1.0

    def __post_init__(self) -> None:
        if min(self.beams, self.candidates, self.threshold) < 1 or not self.sigma > 0:
            raise ConfigError(
                f"opera: beams {self.beams}, candidates {self.candidates}, threshold {self.threshold}, sigma "
                f"{self.sigma}; give at least 1 of each and sigma above 0"
            )
        if not self.weight >= 0:
            raise ConfigError(f"opera: weight is {self.weight}; give at least 0, 0 is plain beam search")

    def answers(self, context: Context, max_new_tokens: int) -> tuple[Answer, ...]:
        """Search row by row; the beams of one row share forwards."""
        return tuple(self._search(context.alone(row), max_new_tokens) for row in range(len(context.batch)))

    def _search(self, context: Context, max_new_tokens: int) -> Answer:
        reader = BeamReader(context, self.beams)
        return OperaSearch(reader, self, end_ids(context.lens)).run(max_new_tokens)
