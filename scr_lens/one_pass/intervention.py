"""Redistribution whose plans are made in the same forward, from the residual stream after block 0."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from scr_lens.config import LayerRange, ScrConfig
from scr_lens.interventions import Redistribution, RedistributionPlan, select
from scr_lens.interventions.seeding import seeded_generator
from scr_lens.layout import TokenLayout
from scr_lens.one_pass.predictor import SourcePredictor


class OnePassRedistribution:
    """SCR without a diagnostic pass: an intervention like any other.

    At block 0 it scores the patches and selects every sample's plan; from then on it is a redistribution.

    Args:
        predictor: The trained network.
        layouts: Where image and text sit, one per row.
        config: Settings of the redistribution; its diagnostic settings play no part.
        layers: Blocks of the redistribution.

    Attributes:
        plans: The plans of the last forward; empty before the first.

    Source: SCR paper, One-Pass SCR.
    """

    def __init__(
        self,
        predictor: SourcePredictor,
        layouts: Sequence[TokenLayout],
        config: ScrConfig,
        layers: LayerRange,
    ) -> None:
        self.predictor = predictor
        self.layouts = tuple(layouts)
        self.config = config
        self.plans: tuple[RedistributionPlan, ...] = ()
        self._range = layers
        self._redistribution: Redistribution | None = None

    @property
    def layers(self) -> LayerRange:
        """Block 0, which is read, to the last one that is edited."""
        return LayerRange(0, self._range.last)

    def __call__(
        self, resid_post: Float[Tensor, "batch seq d_model"], layer: int
    ) -> Float[Tensor, "batch seq d_model"]:
        """Plan at block 0, edit at the blocks of the redistribution.

        Args:
            resid_post: Residual stream after the block's second addition.
            layer: The block, counted from 0.

        Returns:
            The edited stream as a new tensor; the same object where nothing is edited, as at a decode step.

        Raises:
            LayoutError: If rows and layouts disagree.
        """
        last = max(int(layout.image_positions[-1]) for layout in self.layouts)
        if resid_post.shape[1] <= last:
            return resid_post
        if layer == 0:
            self._redistribution = self._planned(resid_post)
        return resid_post if self._redistribution is None else self._redistribution(resid_post, layer)

    def _planned(self, resid_post: Float[Tensor, "batch seq d_model"]) -> Redistribution:
        self.plans = tuple(
            self._plan(resid_post[row, layout.image_positions.to(resid_post.device)], layout)
            for row, layout in enumerate(self.layouts)
        )
        positions = [layout.image_positions for layout in self.layouts]
        return Redistribution(self.plans, positions, self.config.lambda_, self._range, self.config.schedule)

    def _plan(self, states: Float[Tensor, "patch d_model"], layout: TokenLayout) -> RedistributionPlan:
        with torch.no_grad():
            scores = self.predictor.to(states.device)(states, layout.grid)
        return select(scores, layout.grid, self.config, seeded_generator(self.config.seed, "one-pass"))
