"""OPERA's formulas: the column score of an attention triangle, the penalty and the scores of candidates."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

SCALE = 1e-7
"""Factor on every column score."""
SHORT = 10
"""Responses up to this length get a bonus for image attention in place of the penalty."""
REMOVED = -999.0
"""Logit of tokens that are no candidates."""


def column_scores(
    rows: Float[Tensor, "*b token token"], sigma: float
) -> tuple[Float[Tensor, "*b"], Int[Tensor, "*b"]]:
    """How strongly all later tokens lean on one earlier token.

    phi_j = 1e-7 prod_{i >= j} sigma a_ij;  score = max_j phi_j at j*

    Args:
        rows: Attention a_ij of response token i to response token j, each row normalized over all keys.
        sigma: Factor on the attention.

    Returns:
        The score, clamped to what float32 holds, and j*, the first of equal columns.

    Source: OPERA, Eq. 3 to 5 and its code (which multiplies in half precision and can overflow).
    """
    size = rows.shape[-1]
    logs = (sigma * rows.float()).log()
    later = torch.ones(size, size, dtype=torch.bool, device=rows.device).tril()
    columns = torch.where(later, logs, torch.zeros_like(logs)).sum(dim=-2)
    best = columns.max(dim=-1)
    score = (best.values.double() + torch.tensor(SCALE, dtype=torch.float64).log()).exp()
    return score.clamp(max=torch.finfo(torch.float32).max).float(), best.indices


def penalties(
    rows: Float[Tensor, "beam candidate token token"],
    image_mass: Float[Tensor, "beam candidate"],
    sigma: float,
) -> tuple[Float[Tensor, "beam candidate"], Int[Tensor, "beam candidate"] | None]:
    """What is subtracted from every candidate's logit.

    score(rows) if the response, candidate included, has more than 10 tokens, otherwise -image_mass

    Args:
        rows: Attention within the response, the candidate's row last.
        image_mass: Attention of the candidate to the picture.
        sigma: Factor on the attention.

    Returns:
        The penalty, and j* of every candidate where it was computed.

    Source: OPERA's code.
    """
    if rows.shape[-1] <= SHORT:
        return -image_mass, None
    return column_scores(rows, sigma)


def combine(
    logits: Float[Tensor, "beam vocab"],
    candidates: Int[Tensor, "beam candidate"],
    penalty: Float[Tensor, "beam candidate"],
    weight: float,
) -> Float[Tensor, "beam vocab"]:
    """OPERA's scores: z_c - weight penalty_c for candidates, -999 for every other token.

    Args:
        logits: z, of every beam.
        candidates: The most likely tokens of every beam.
        penalty: Of every candidate.
        weight: Strength.

    Returns:
        Scores, of which the beam search takes the log-softmax.

    Source: OPERA, Eq. 6 and its code.
    """
    chosen = logits.gather(-1, candidates) - weight * penalty
    return torch.full_like(logits, REMOVED).scatter(-1, candidates, chosen)
