"""From scores to tokens: the most likely one, or a seeded draw that no batch mate influences."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scr_lens.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to draw tokens; a method without it takes the most likely one.

    Args:
        temperature: Divides the scores; 1 leaves them, towards 0 the draw becomes greedy.
        top_p: Smallest probability mass to draw from; 1 keeps every token.

    Raises:
        ConfigError: If the temperature is not above 0 or `top_p` is outside (0, 1].
    """

    temperature: float = 1.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(
                f"temperature is {self.temperature}; give a number above 0, or no sampling for greedy"
            )
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p is {self.top_p}; give a number in (0, 1], 1 keeps every token")


def choose(
    scores: Float[Tensor, "batch vocab"],
    sampling: Sampling | None,
    generators: Sequence[torch.Generator],
) -> Int[Tensor, "batch"]:
    """Choose the next token of every row.

    Args:
        scores: Scores of a method; -inf removes a token.
        sampling: How to draw; None takes the highest score, of equal ones the lowest token id.
        generators: One CPU generator per row; not used without sampling.

    Returns:
        One token id per row, on the scores' device.
    """
    if sampling is None:
        return scores.argmax(dim=-1)
    probabilities = torch.softmax(nucleus(scores / sampling.temperature, sampling.top_p), dim=-1).cpu()
    drawn = [torch.multinomial(row, 1, generator=g) for row, g in zip(probabilities, generators, strict=True)]
    return torch.cat(drawn).to(scores.device)


def nucleus(scores: Float[Tensor, "batch vocab"], top_p: float) -> Float[Tensor, "batch vocab"]:
    """Keep the smallest set of likely tokens whose probability reaches `top_p`.

    Args:
        scores: Scores; -inf removes a token.
        top_p: Mass to keep, in (0, 1].

    Returns:
        The scores with -inf outside the set; the most likely token is always kept.

    Source: Holtzman et al., ICLR 2020 (nucleus sampling).
    """
    if top_p == 1:
        return scores
    ordered, order = scores.sort(dim=-1, descending=True, stable=True)
    mass = torch.softmax(ordered, dim=-1)
    before = mass.cumsum(dim=-1) - mass
    removed = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= top_p)
    return scores.masked_fill(removed, float("-inf"))
