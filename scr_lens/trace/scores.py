"""Softmax rows of one attention call, for any of its queries."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Scores:
    """One attention call, from which the softmax rows of any queries can be computed.

    Args:
        query: Queries of the whole call.
        key: Keys of the whole call; with fewer heads than queries each serves a group (GQA), without
            expansion.
        mask: None, boolean or additive.
        scaling: Factor on the scores; None means d_head ** -0.5.
        is_causal: Whether SDPA applies its causal rule when there is no mask.
    """

    query: Float[Tensor, "batch head query d_head"]
    key: Float[Tensor, "batch kv_head key d_head"]
    mask: Tensor | None
    scaling: float | None
    is_causal: bool

    @property
    def plain_causal(self) -> bool:
        """Whether there is no mask and SDPA aligns the queries with the first keys."""
        return self.is_causal and self.mask is None and self.query.shape[2] > 1

    def rows(self, queries: Int[Tensor, "batch asked"]) -> Int[Tensor, "batch asked"]:
        """Where query positions lie in `query`, which may be the tail of the keys."""
        return queries if self.plain_causal else queries - (self.key.shape[2] - self.query.shape[2])

    def probabilities(self, queries: Int[Tensor, "batch asked"]) -> Float[Tensor, "batch head asked key"]:
        """Softmax rows over all keys in float32.

        Args:
            queries: Absolute positions, on the device of the call.

        Returns:
            p[b, h, q, k] = softmax_k(scaling <q_bhq, k_bhk> + mask_bqk).
        """
        rows = self.rows(queries)
        batch = torch.arange(len(rows), device=rows.device)[:, None]
        selected = self.query[batch, :, rows].transpose(1, 2)
        factor = self.query.shape[-1] ** -0.5 if self.scaling is None else self.scaling
        scores = _grouped_scores(selected, self.key) * factor
        if self.plain_causal:
            future = torch.arange(self.key.shape[2], device=rows.device) > rows[:, :, None]
            scores = scores.masked_fill(future[:, None], torch.finfo(scores.dtype).min)
        elif self.mask is not None:
            scores = _masked(scores, self.mask, batch, rows)
        return torch.softmax(scores, dim=-1, dtype=torch.float32)


def _grouped_scores(
    query: Float[Tensor, "b h q d"], key: Float[Tensor, "b g k d"]
) -> Float[Tensor, "b h q k"]:
    """Dot products where consecutive query heads share a key head."""
    batch, heads, asked, width = query.shape
    grouped = query.reshape(batch, key.shape[1], -1, width)
    return (grouped @ key.transpose(2, 3)).reshape(batch, heads, asked, key.shape[2])


def _masked(scores: Float[Tensor, "b h q k"], mask: Tensor, batch: Tensor, rows: Tensor) -> Tensor:
    """Apply the rows of a 4-D boolean or additive mask to the scores of those rows."""
    wide = mask.expand(scores.shape[0], -1, -1, -1)[..., : scores.shape[-1]]
    picked = wide[batch, :, rows].transpose(1, 2)
    if picked.dtype == torch.bool:
        return scores.masked_fill(~picked, torch.finfo(scores.dtype).min)
    return scores + picked
