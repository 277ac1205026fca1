"""Adversarial visual contrastive decoding: the disturbed picture is found by gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from scr_lens.decoding.contrast import require_contrast
from scr_lens.decoding.engine import Scorer
from scr_lens.decoding.method import Context, StepDecoder, Traits
from scr_lens.decoding.pixels import PIXELS, Picture, joined, pictures
from scr_lens.decoding.tower import tower_features
from scr_lens.decoding.vcd import against_pictures
from scr_lens.errors import ConfigError, ContractError
from scr_lens.trace import Batch, Lens


@dataclass(frozen=True, kw_only=True)
class Avcd(StepDecoder):
    """AVCD, what the SCR paper describes under the name OA-VCD (ICLR 2026 submission, no code found).

    From reviews of the paper: projected gradient descent in 1 or 2 steps that minimizes the cosine similarity
    of image tower features of v and v', an L-infinity budget of 256/255 for POPE and 64/255 for CHAIR and
    MME, then VCD. Our choice, since neither was found: features before the projector (or quantizer), mean
    cosine per token, step = epsilon / steps, clipping to valid pixels, alpha 1, beta 0.1, and a seeded random
    start. The start must be random: at v' = v the similarity is at its maximum and its gradient is zero.

    Args:
        alpha: Strength of the contrast.
        beta: Plausibility filter.
        epsilon: Budget in 8-bit units; set 64 for captions and MME.
        steps: Steps of the descent.

    Raises:
        ConfigError: If a setting is out of range.
    """

    name: ClassVar[str] = "avcd"
    description: ClassVar[str] = "contrast with an adversarial picture (the SCR paper's OA-VCD)"
    traits: ClassVar[Traits] = Traits(
        prefills="2",
        forwards_per_token="2",
        caches="2",
        extra="1 + steps image tower passes and steps backward passes per picture",
        stochastic=True,
        fidelity="secondary sources",
    )

    alpha: float = 1.0
    beta: float = 0.1
    epsilon: float = 256.0
    steps: int = 2

    def __post_init__(self) -> None:
        require_contrast(self.name, self.alpha, self.beta)
        if not self.epsilon > 0 or self.steps < 1:
            raise ConfigError(
                f"avcd: epsilon is {self.epsilon} and steps is {self.steps}; give epsilon above 0 "
                "(8-bit units) and at least 1 step"
            )

    def start(self, context: Context) -> Scorer:
        """VCD with the adversarial pictures."""
        starts = context.generators("avcd")
        shown = adversarial(context.lens, context.batch, self.epsilon, self.steps, starts)
        return against_pictures(context, shown, self.alpha, self.beta)


def adversarial(
    lens: Lens, batch: Batch, epsilon: float, steps: int, generators: Sequence[torch.Generator]
) -> list[Picture]:
    """Pictures within a budget whose tower features point away from those of the originals.

    v' <- clip(v' - (epsilon / steps) sign(grad mean_token cos(f(v'), f(v))))

    Args:
        lens: The model.
        batch: The batch.
        epsilon: Budget per channel value, in 8-bit units.
        steps: Steps of the descent.
        generators: Source of each picture's random start.

    Returns:
        One picture per sample.

    Raises:
        ContractError: If the processor does not say how it normalizes.
    """
    originals = pictures(lens, batch)
    scale = PixelScale.of(lens)
    budget = scale.unit.to(lens.device) * epsilon
    with torch.no_grad():
        target = tower_features(lens, _encoding(batch, originals))
    current = [
        _random_start(p, budget, scale, generator) for p, generator in zip(originals, generators, strict=True)
    ]
    for _ in range(steps):
        gradients = _gradients(lens, batch, current, target)
        current = [
            _projected(replace(p, values=p.values - budget / steps * g.sign()), origin, budget, scale)
            for p, g, origin in zip(current, gradients, originals, strict=True)
        ]
    return current


def similarity(lens: Lens, batch: Batch, shown: Sequence[Picture], target: Tensor) -> Float[Tensor, ""]:
    """Mean cosine between the features of some pictures and given ones; 1 for equal directions."""
    features = tower_features(lens, _encoding(batch, shown))
    return torch.nn.functional.cosine_similarity(features, target, dim=-1).mean()


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelScale:
    """How 8-bit values become the model's pixels, per channel, shaped to broadcast over `[channel, a, b]`.

    Attributes:
        unit: What one 8-bit step becomes.
        low: What 0 becomes.
        high: What 255 becomes.
    """

    unit: Float[Tensor, "channel 1 1"]
    low: Float[Tensor, "channel 1 1"]
    high: Float[Tensor, "channel 1 1"]

    @classmethod
    def of(cls, lens: Lens) -> PixelScale:
        """Read the scale from a model's image processor."""
        processor: Any = getattr(lens.processor, "image_processor", None)
        mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
        if mean is None or std is None:
            raise ContractError(
                f"the image processor of {lens.model_type!r} names no image_mean and image_std; a pixel "
                "budget cannot be converted: use a processor that states its normalization"
            )
        factor = float(getattr(processor, "rescale_factor", None) or 1 / 255)
        shift, spread = (torch.tensor(v, dtype=torch.float32).view(-1, 1, 1) for v in (mean, std))
        return cls(unit=factor / spread, low=-shift / spread, high=(255 * factor - shift) / spread)


def _encoding(batch: Batch, shown: Sequence[Picture]) -> dict[str, Tensor]:
    return {**batch.encoding, PIXELS: joined(shown)}


def _random_start(picture: Picture, budget: Tensor, scale: PixelScale, generator: torch.Generator) -> Picture:
    moved = picture.values + budget * (2 * picture.noise(generator, torch.rand) - 1)
    return _projected(replace(picture, values=moved), picture, budget, scale)


def _projected(picture: Picture, origin: Picture, budget: Tensor, scale: PixelScale) -> Picture:
    near = picture.values.clamp(origin.values - budget, origin.values + budget)
    device = near.device
    return replace(picture, values=near.clamp(scale.low.to(device), scale.high.to(device)))


def _gradients(
    lens: Lens, batch: Batch, shown: Sequence[Picture], target: Tensor
) -> list[Float[Tensor, " ..."]]:
    """The gradient of the similarity at every picture; frames of one image share theirs."""
    with torch.enable_grad():
        leaves = [replace(p, values=p.values.detach().clone().requires_grad_(True)) for p in shown]
        loss = similarity(lens, batch, leaves, target)
        gradients = torch.autograd.grad(loss, [p.values for p in leaves])
    return [
        g.sum(1, keepdim=True).expand(g.shape) if p.is_patches else g
        for p, g in zip(leaves, gradients, strict=True)
    ]
