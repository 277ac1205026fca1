"""Recipes: every number that decides how an organism is built and trained."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from scr_lens.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Architecture and training of one organism.

    Args:
        name: Folder name of the organism.
        model_type: transformers' architecture key.
        side: Side of the square picture in pixels.
        patch: Side of a vision patch in pixels; `(side / patch)^2` image tokens.
        vision_width: Width of the vision tower.
        vision_layers: Depth of the vision tower.
        d_model: Width of the decoder's residual stream.
        n_layers: Depth of the decoder.
        n_heads: Attention heads of the decoder.
        d_mlp: Hidden width of the decoder's MLP.
        train_scenes: Number of distinct training pictures.
        batch: Pictures per step.
        questions: Yes/no questions per picture and step.
        pool_share: Share of negatives drawn from the place's own pool.
        pretrain_steps: Steps of dense patch-category training of the vision tower.
        pretrain_lr: Peak learning rate of that phase.
        steps: Steps of joint training.
        lr: Peak learning rate of the decoder and projector.
        vision_lr_share: The vision tower's learning rate as a share of `lr`.
        warmup: Steps of linear warm-up in both phases.
        weight_decay: AdamW's decoupled weight decay.
        betas: AdamW's moment decay rates.
        clip: Largest gradient norm.
        caption_weight: Weight of the caption loss beside the yes/no loss.
        patch_weight: Weight of the patch-category loss in joint training; perception goes on improving.
        seed: Seed of initialization and data order.
    """

    name: str
    model_type: str
    side: int = 96
    patch: int = 8
    vision_width: int = 96
    vision_layers: int = 4
    d_model: int = 128
    n_layers: int = 8
    n_heads: int = 2
    d_mlp: int = 512
    train_scenes: int = 24_000
    batch: int = 16
    questions: int = 12
    pool_share: float = 0.5
    pretrain_steps: int = 5_000
    pretrain_lr: float = 2e-3
    steps: int = 3_000
    lr: float = 1.5e-3
    vision_lr_share: float = 0.4
    warmup: int = 100
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    caption_weight: float = 1.0
    patch_weight: float = 0.5
    seed: int = 0

    @property
    def n_image_tokens(self) -> int:
        """Image tokens per picture."""
        return (self.side // self.patch) ** 2


RECIPES: dict[str, Recipe] = {
    "llava-small": Recipe(name="llava-small", model_type="llava"),
}
"""Every organism that can be trained, by name."""


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ConfigError: If there is none.
    """
    if name in RECIPES:
        return RECIPES[name]
    close = difflib.get_close_matches(name, RECIPES, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"organism {name!r}: expected one of {sorted(RECIPES)}{hint}")
