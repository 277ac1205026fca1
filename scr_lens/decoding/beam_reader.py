"""What OPERA reads from the model: logits of beams, and attention rows of chosen and possible tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scr_lens.config import LayerRange
from scr_lens.decoding.branch import Around, Span
from scr_lens.decoding.hooks import hiding_keys, reading_rows
from scr_lens.decoding.method import Context


@dataclass(frozen=True, kw_only=True, eq=False)
class Peeked:
    """Attention of candidates, every row normalized over all keys.

    Attributes:
        rows: To the response tokens, the candidate itself last.
        image_mass: To the picture.
    """

    rows: Float[Tensor, "beam candidate token"]
    image_mass: Float[Tensor, "beam candidate"]


class BeamReader:
    """Beams of one prompt as rows of one branch.

    Args:
        context: One row.
        beams: Number of beams.
    """

    def __init__(self, context: Context, beams: int) -> None:
        self.beams = beams
        last = context.lens.n_layers - 1
        self._lens = context.lens
        self._images = context.batch.layouts[0].image_positions
        self._prompt = context.batch.seq_len
        self._rows: Float[Tensor, "beam query key"] = torch.empty(0)
        self._branch = context.main_branch(reading_rows(context.lens, LayerRange(last, last), self._keep))

    def start(self) -> Float[Tensor, "beam vocab"]:
        """Read the prompt once and give every beam its cache.

        Returns:
            Logits of the first token, equal for all beams.
        """
        self._branch.advance(None)
        self._branch.select(torch.zeros(self.beams, dtype=torch.long, device=self._branch.mask.device))
        return self._branch.logits

    def extend(
        self, origins: Int[Tensor, " beam"], tokens: Int[Tensor, " beam"]
    ) -> tuple[Float[Tensor, "beam vocab"], Float[Tensor, "beam token"]]:
        """Let every beam go on from one of the old ones by one token.

        Args:
            origins: The old beam that each new one continues.
            tokens: The token each new one adds.

        Returns:
            Logits of the next token, and the new token's row of attention to the response, itself last.
        """
        self._branch.select(origins)
        logits = self._branch.advance(tokens)
        return logits, self._rows[:, 0, self._prompt :]

    def peek(self, candidates: Int[Tensor, "beam candidate"]) -> Peeked:
        """Attention that each candidate would have as the next token; nothing is kept of them."""
        before, count = self._branch.length, candidates.shape[1]
        self._branch.peek(candidates, self._apart(before, count))
        own = torch.diagonal(self._rows[:, :, before:], dim1=1, dim2=2)
        response = self._rows[:, :, self._prompt : before]
        return Peeked(
            rows=torch.cat([response, own[..., None]], dim=-1),
            image_mass=self._rows[:, :, self._images.to(self._rows.device)].sum(-1),
        )

    def rewind(self, ids: Int[Tensor, "beam token"], read: int) -> Float[Tensor, "beam vocab"]:
        """Go back to earlier beams.

        Args:
            ids: Tokens of the beams to return to; at least one.
            read: How many response tokens every beam has read by now.

        Returns:
            Logits of the token after them.
        """
        self._branch.forget(read)
        for tokens in ids.T:
            self._branch.advance(tokens)
        return self._branch.logits

    def _keep(self, _layer: int, rows: Float[Tensor, "beam head query key"]) -> None:
        strongest = rows.amax(dim=1)
        self._rows = strongest / strongest.sum(dim=-1, keepdim=True)

    def _apart(self, before: int, count: int) -> Around:
        """No candidate sees another."""
        others = ~torch.eye(count, dtype=torch.bool)

        def hidden(span: Span) -> Bool[Tensor, "beam query key"]:
            drop = torch.zeros(span.rows, count, span.keys, dtype=torch.bool)
            drop[:, :, before:] = others
            return drop.to(self._branch.mask.device)

        return hiding_keys(self._lens, 0, hidden)
