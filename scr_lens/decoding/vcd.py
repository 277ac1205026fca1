"""Visual contrastive decoding: what the model says of a noisy picture is held against what it says."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from scr_lens.decoding.branch import Branch
from scr_lens.decoding.contrast import contrast, require_contrast
from scr_lens.decoding.engine import Contrast, Scorer
from scr_lens.decoding.method import Context, StepDecoder, Traits
from scr_lens.decoding.pixels import Picture, pictures, with_pictures
from scr_lens.errors import ConfigError

STEPS = 1000
"""Steps of the forward diffusion."""


def combine(
    logits: Float[Tensor, "batch vocab"], noisy: Float[Tensor, "batch vocab"], alpha: float, beta: float
) -> Float[Tensor, "batch vocab"]:
    """VCD's scores: score = (1 + alpha) l - alpha l' where l_y >= max l + ln beta, -inf elsewhere.

    Args:
        logits: l, of the picture.
        noisy: l', of the noisy picture.
        alpha: Strength of the contrast.
        beta: Plausibility filter on l, not on the difference.

    Returns:
        Scores.

    Source: VCD, Eq. 2 and 3.
    """
    return contrast(logits, noisy, alpha, beta)


def noise_schedule(timestep: int) -> tuple[float, float]:
    """How much picture and how much noise are left after some steps of forward diffusion.

    abar_T = prod_{t <= T} (1 - b_t), b_t = sigmoid(s_t) (0.005 - 1e-5) + 1e-5, s = linspace(-6, 6, 1000)

    Args:
        timestep: T, from 0 to 999.

    Returns:
        sqrt(abar_T) and sqrt(1 - abar_T).

    Source: VCD's code.
    """
    betas = torch.sigmoid(torch.linspace(-6, 6, STEPS, dtype=torch.float64)) * (0.005 - 1e-5) + 1e-5
    kept = float((1 - betas[: timestep + 1]).prod())
    return math.sqrt(kept), math.sqrt(1 - kept)


def diffused(picture: Picture, timestep: int, generator: torch.Generator) -> Picture:
    """The picture after forward diffusion of its normalized pixels, without clamping.

    v' = sqrt(abar_T) v + sqrt(1 - abar_T) e, e ~ N(0, I)
    """
    kept, added = noise_schedule(timestep)
    return replace(picture, values=kept * picture.values + added * picture.noise(generator))


@dataclass(frozen=True, kw_only=True)
class Vcd(StepDecoder):
    """VCD (Leng et al., CVPR 2024).

    From the authors' code: the noise schedule, noise after normalization, the filter on the undisturbed
    logits, alpha 1, beta 0.1, T 500. The authors always sample; greedy is our choice for yes/no tables, and
    `sampling=Sampling()` is theirs. The noise is drawn once per picture, which is our choice.

    Args:
        alpha: Strength of the contrast.
        beta: Plausibility filter. The authors' LLaVA POPE script uses 0.2, their argument parser 0.1.
        timestep: Steps of diffusion; other repositories use 999.

    Raises:
        ConfigError: If a setting is out of range.
    """

    name: ClassVar[str] = "vcd"
    description: ClassVar[str] = "contrast with a noisy picture"
    traits: ClassVar[Traits] = Traits(
        prefills="2", forwards_per_token="2", caches="2", extra="second image tower pass", stochastic=True
    )

    alpha: float = 1.0
    beta: float = 0.1
    timestep: int = 500

    def __post_init__(self) -> None:
        require_contrast(self.name, self.alpha, self.beta)
        if not 0 <= self.timestep < STEPS:
            raise ConfigError(f"vcd: timestep is {self.timestep}; give a number from 0 to {STEPS - 1}")

    def start(self, context: Context) -> Scorer:
        """Two branches that differ in the picture only."""
        generators = context.generators("vcd")
        noisy = [
            diffused(picture, self.timestep, generator)
            for picture, generator in zip(pictures(context.lens, context.batch), generators, strict=True)
        ]
        return against_pictures(context, noisy, self.alpha, self.beta)


def against_pictures(context: Context, shown: list[Picture], alpha: float, beta: float) -> Scorer:
    """VCD's decoder with any other pictures in the disturbed branch.

    Args:
        context: What is decoded.
        shown: One picture per sample.
        alpha: Strength of the contrast.
        beta: Plausibility filter.
    """
    disturbed = Branch(context.lens, with_pictures(context.lens, context.batch, shown))
    return Contrast(
        [context.main_branch(), disturbed],
        lambda _step, logits, other: combine(logits, other, alpha, beta),
    )
