"""The two formulas that the contrastive methods share."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scr_lens.errors import ConfigError


def plausible(logits: Float[Tensor, "batch vocab"], beta: float) -> Bool[Tensor, "batch vocab"]:
    """The tokens that the undisturbed model finds plausible: l_y >= max l + ln beta.

    Args:
        logits: Logits of the undisturbed branch.
        beta: Share of the highest probability that a token must reach, in (0, 1]; 1 keeps the best only.

    Returns:
        True for kept tokens; equality keeps.

    Source: VCD, Eq. 3 and its sampler; DoLa and CRoPS use the same filter.
    """
    return logits >= logits.max(dim=-1, keepdim=True).values + math.log(beta)


def contrast(
    logits: Float[Tensor, "batch vocab"],
    disturbed: Float[Tensor, "batch vocab"],
    alpha: float,
    beta: float | None,
) -> Float[Tensor, "batch vocab"]:
    """Push the scores away from what the disturbed branch says.

    score = (1 + alpha) l - alpha l' where l_y >= max l + ln beta, -inf elsewhere

    Args:
        logits: l, of the undisturbed branch.
        disturbed: l', of the disturbed branch.
        alpha: Strength; 0 gives l on the kept tokens.
        beta: Filter; None keeps every token.

    Returns:
        Scores in float32.

    Source: VCD, Eq. 2 and 3.
    """
    scores = (1 + alpha) * logits - alpha * disturbed if alpha else logits
    return scores if beta is None else scores.masked_fill(~plausible(logits, beta), float("-inf"))


def require_contrast(method: str, alpha: float, beta: float | None) -> None:
    """Refuse settings that the formulas cannot take.

    Args:
        method: Name for the message.
        alpha: Must not be negative.
        beta: Must be None or in (0, 1].

    Raises:
        ConfigError: If one of them is out of range.
    """
    if not alpha >= 0:
        raise ConfigError(f"{method}: alpha is {alpha}; give a number of at least 0, 0 switches it off")
    if beta is not None and not 0 < beta <= 1:
        raise ConfigError(f"{method}: beta is {beta}; give a number in (0, 1], small keeps more tokens")


def jensen_shannon(
    p_logits: Float[Tensor, "*b vocab"], q_logits: Float[Tensor, "*b vocab"]
) -> Float[Tensor, "*b"]:
    """Jensen-Shannon divergence of two next-token distributions.

    JSD = (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2

    Args:
        p_logits: Logits of p.
        q_logits: Logits of q.

    Returns:
        Nats in [0, ln 2]; 0 for equal distributions.
    """
    p, q = torch.log_softmax(p_logits.double(), -1), torch.log_softmax(q_logits.double(), -1)
    m = torch.logaddexp(p, q) - math.log(2)
    # An entry that both leave out is -inf in all three; it adds nothing.
    terms = [torch.where(x.exp() > 0, x.exp() * (x - m), torch.zeros_like(x)).sum(-1) for x in (p, q)]
    return ((terms[0] + terms[1]) / 2).clamp(0, math.log(2)).float()
