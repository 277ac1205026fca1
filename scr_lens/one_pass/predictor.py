"""The network: one score per patch from the residual stream after block 0 and the patch's place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from scr_lens.errors import ConfigError, LayoutError
from scr_lens.grid import PatchGrid

HIDDEN = 256
"""Width of the hidden layer."""
PROJECTED = 464
"""Width after the fixed projection: with it 119,809 parameters are trained, the paper's "about 120K"."""
PLACE = 2
"""Row and column."""


@dataclass(frozen=True, kw_only=True)
class PredictorConfig:
    """Sizes of a predictor.

    Args:
        d_model: Width of the model's residual stream.
        projected: Width after a fixed random projection; None reads the full width.
        seed: Seed of projection and initial weights.

    Raises:
        ConfigError: If a width is below 1.
    """

    d_model: int
    projected: int | None = PROJECTED
    seed: int = 0

    def __post_init__(self) -> None:
        if self.d_model < 1 or (self.projected is not None and self.projected < 1):
            raise ConfigError(
                f"one-pass predictor: d_model is {self.d_model} and projected is {self.projected}; "
                "give at least 1 of each, or None to read the full width"
            )


class SourcePredictor(nn.Module):
    """A two-layer network that scores every patch by itself.

    score_i = w2 gelu(W1 [(P h_i - mean) / scale, row_i, col_i] + b1) + b2

    The paper states two layers, hidden width 256, layer-0 states as input and about 120K parameters. The last
    two do not fit together for a width of 4096 (1,049,089 parameters), so a fixed seeded projection P brings
    the width to 464: our choice. Where the picture precedes the question, the states of its patches cannot
    know the question (attention is causal), so what is learned is which patches draw attention whatever is
    asked.

    Args:
        config: Sizes.

    Source: SCR paper, One-Pass SCR.
    """

    projection: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.projected or config.d_model
        self.register_buffer("projection", _projection(config))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.hidden = nn.Linear(width + PLACE, HIDDEN)
            self.score = nn.Linear(HIDDEN, 1)

    @property
    def n_trained(self) -> int:
        """Number of trained parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, states: Float[Tensor, "patch d_model"], grid: PatchGrid) -> Float[Tensor, " patch"]:
        """Score the patches of one picture.

        Args:
            states: Residual stream after block 0 at the patches, in raster order.
            grid: The patch grid.

        Returns:
            One score per patch; their softmax is the predicted attention map.

        Raises:
            LayoutError: If states and grid, or states and predictor, disagree.
        """
        if states.shape != (grid.size, self.config.d_model):
            raise LayoutError(
                f"states of shape {tuple(states.shape)} do not fit a predictor for width "
                f"{self.config.d_model} and a {grid} grid; give one row per patch"
            )
        return self.score_projected(self.project(states), places(grid).to(states.device))

    def project(self, states: Float[Tensor, "row d_model"]) -> Float[Tensor, "row width"]:
        """Bring states to the width that the network reads; all that training keeps of them."""
        wide = states.float()
        projected: Tensor = wide if self.config.projected is None else wide @ self.projection
        return projected

    def score_projected(
        self, projected: Float[Tensor, "row width"], place: Float[Tensor, "row 2"]
    ) -> Float[Tensor, " row"]:
        """Score patches of any number of pictures from their projected states and their places."""
        inputs = torch.cat([(projected - self.mean) / self.scale, place], dim=-1)
        scores: Tensor = self.score(nn.functional.gelu(self.hidden(inputs)))
        return scores[:, 0]

    def standardize(self, projected: Float[Tensor, "row width"]) -> None:
        """Set mean and scale to those of projected training states."""
        self.mean.copy_(projected.mean(0))
        self.scale.copy_(projected.std(0).clamp_min(1e-6))


def _projection(config: PredictorConfig) -> Float[Tensor, "d_model width"]:
    if config.projected is None:
        return torch.empty(0)
    generator = torch.Generator().manual_seed(config.seed)
    return torch.randn(config.d_model, config.projected, generator=generator) / math.sqrt(config.projected)


def places(grid: PatchGrid) -> Float[Tensor, "patch 2"]:
    """Row and column of every patch, from -1 to 1; 0 where the grid has one row or column."""
    cells = np.arange(grid.size)
    rows = 2 * grid.row(cells) / max(1, grid.height - 1) - (grid.height > 1)
    cols = 2 * grid.col(cells) / max(1, grid.width - 1) - (grid.width > 1)
    return torch.from_numpy(np.stack([rows, cols], axis=-1)).float()
