"""Object-aligned visual contrastive decoding: the disturbed picture has its salient parts covered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scr_lens.decoding.contrast import require_contrast
from scr_lens.decoding.engine import Scorer
from scr_lens.decoding.method import Context, StepDecoder, Traits
from scr_lens.decoding.pixels import pictures
from scr_lens.decoding.tower import class_attention, patch_features
from scr_lens.decoding.vcd import against_pictures
from scr_lens.errors import ConfigError, ContractError, unknown_name

Saliency = Literal["class_attention", "feature_distance"]


@dataclass(frozen=True, kw_only=True)
class ObjectMask(StepDecoder):
    """Object-aligned VCD, "Mask What Matters" (EACL-SRW 2026, no code found).

    From secondary sources: the most salient pixels, by thresholded class-token attention of DINO, are
    replaced by a neutral color, then VCD. Our choice: the saliency comes from the model's own image tower,
    so no second network is needed; the cells that hold 0.6 of it are covered with the picture's mean color;
    alpha 1, beta 0.1. This is not what the SCR paper calls OA-VCD; that is `avcd`.

    Args:
        alpha: Strength of the contrast.
        beta: Plausibility filter.
        mass: Share of the saliency to cover, in (0, 1].
        saliency: "class_attention" of the tower's last block, or "feature_distance", how far a patch's
            feature lies from the picture's mean feature; None takes the first where the tower has a class
            token.

    Raises:
        ConfigError: If a setting is out of range.
    """

    name: ClassVar[str] = "object-mask-vcd"
    description: ClassVar[str] = "contrast with a picture whose salient parts are covered"
    traits: ClassVar[Traits] = Traits(
        prefills="2",
        forwards_per_token="2",
        caches="2",
        attention="class token of the image tower",
        extra="1 or 2 image tower passes",
        fidelity="secondary sources",
    )

    alpha: float = 1.0
    beta: float = 0.1
    mass: float = 0.6
    saliency: Saliency | None = None

    def __post_init__(self) -> None:
        require_contrast(self.name, self.alpha, self.beta)
        if not 0 < self.mass <= 1:
            raise ConfigError(f"object-mask-vcd: mass is {self.mass}; give a share in (0, 1]")
        if self.saliency is not None and self.saliency not in get_args(Saliency):
            raise ConfigError(unknown_name("saliency", self.saliency, get_args(Saliency)))

    def start(self, context: Context) -> Scorer:
        """VCD with the covered pictures."""
        shown = [
            picture.filled(heaviest(values, self.mass))
            for picture, values in zip(
                pictures(context.lens, context.batch), self.saliency_maps(context), strict=True
            )
        ]
        return against_pictures(context, shown, self.alpha, self.beta)

    def saliency_maps(self, context: Context) -> tuple[Float[Tensor, " patch"], ...]:
        """The saliency of every patch, by the source of the settings.

        Raises:
            ContractError: If class attention was asked for and the tower has none.
        """
        if self.saliency != "feature_distance":
            maps = class_attention(context.lens, context.batch)
            if maps is not None:
                return maps
            if self.saliency is not None:
                raise ContractError(
                    f"the image tower of {context.lens.model_type!r} has no class token over one patch per "
                    "cell; use saliency='feature_distance'"
                )
        features = patch_features(context.lens, context.batch)
        return tuple((rows - rows.mean(0)).norm(dim=-1) for rows in features)


def heaviest(values: Float[Tensor, " patch"], mass: float) -> Bool[Tensor, " patch"]:
    """The smallest set of cells that holds a share of the total.

    Args:
        values: Non-negative weights.
        mass: Share to reach, in (0, 1].

    Returns:
        True for chosen cells; at least one, and of equal cells the lower comes first. All for a zero map.
    """
    ordered, order = values.double().sort(descending=True, stable=True)
    before = ordered.cumsum(0) - ordered
    chosen = before < mass * ordered.sum() * (1 - 1e-6)
    chosen[0] = True
    return torch.zeros_like(values, dtype=torch.bool).scatter(0, order, chosen)
