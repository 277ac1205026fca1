"""Controls that change one part of the method: where sources come from, or what neighbors receive."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scr_lens.config import LayerRange, Schedule, ScrConfig
from scr_lens.errors import LayoutError
from scr_lens.grid import PatchGrid
from scr_lens.interventions.plan import RedistributionPlan
from scr_lens.interventions.redistribution import EditRows, Redistribution
from scr_lens.interventions.seeding import seeded_generator
from scr_lens.interventions.selection import plan_from_order


def uniform_plan(grid: PatchGrid, config: ScrConfig, generator: torch.Generator) -> RedistributionPlan:
    """Draw sources at random, with the same number, border, conflict and neighbor rules as `select`.

    Args:
        grid: The patch grid.
        config: Number of sources, topology, conflict and border rules.
        generator: Source of the draw.

    Returns:
        The plan; every allowed patch is equally likely to be the first source.

    Raises:
        ConfigError: If the grid cannot hold the sources.

    Source: SCR paper, Sec. 6.1a (Uniform-Smooth).
    """
    return plan_from_order(torch.randperm(grid.size, generator=generator).tolist(), grid, config, generator)


class GaussianNoise(Redistribution):
    """Redistribution whose neighbors receive Gaussian noise instead of a copy of their source.

    h_n <- h_n + |lambda - 1| |h_s| z / |z| with z ~ N(0, I);  h_s <- h_s / lambda
    The draw depends on the seed, the sample key and the block, not on batch mates or device.

    Args:
        plans: One plan per sample; None leaves the sample alone.
        image_positions: Per sample, the row positions of its patches in raster order.
        lambda_: Strength; 1 adds exact zeros.
        layers: Blocks of the range.
        schedule: "every_layer" or "once".
        sample_keys: A name per sample that identifies its image and question.
        seed: Seed of the draws.

    Raises:
        ConfigError: If lambda or the schedule is not allowed.
        LayoutError: If plans, positions and keys disagree.

    Source: SCR paper, Sec. 6.1c (noise of equal norm).
    """

    def __init__(
        self,
        plans: Sequence[RedistributionPlan | None],
        image_positions: Sequence[Int[Tensor, "_"]],
        lambda_: float,
        layers: LayerRange,
        schedule: Schedule = "every_layer",
        *,
        sample_keys: Sequence[str],
        seed: int,
    ) -> None:
        super().__init__(plans, image_positions, lambda_, layers, schedule)
        if len(sample_keys) != len(self.plans):
            raise LayoutError(
                f"{len(sample_keys)} sample keys but {len(self.plans)} plans; give one key per sample"
            )
        self.sample_keys = tuple(sample_keys)
        self.seed = seed

    def _additions(self, flat: Float[Tensor, "row d"], rows: EditRows, layer: int) -> Float[Tensor, "edit d"]:
        copies = super()._additions(flat, rows, layer)
        injected, source_loss = copies[: rows.n_neighbors], copies[rows.n_neighbors :]
        noise = self._directions(rows.neighbor_counts, flat.shape[1], layer).to(injected)
        return torch.cat([noise * injected.norm(dim=-1, keepdim=True), source_loss])

    def _directions(self, counts: Sequence[int], d_model: int, layer: int) -> Float[Tensor, "neighbor d"]:
        """Draw a unit vector per neighbor."""
        draws = [
            torch.randn(count, d_model, generator=seeded_generator(self.seed, "gaussian-noise", key, layer))
            for key, count in zip(self.sample_keys, counts, strict=True)
        ]
        return torch.nn.functional.normalize(torch.cat(draws).double(), dim=-1)


class ScaleNeighbors(Redistribution):
    """Redistribution that gives neighbors the norm of the method but leaves their direction alone.

    h_n <- h_n |h_n + (lambda - 1) h_s| / |h_n|;  h_s <- h_s / lambda;  a zero neighbor stays zero

    The arguments and errors are those of `Redistribution`.

    Source: control of this project; the paper has no such control.
    """

    def _additions(self, flat: Float[Tensor, "row d"], rows: EditRows, layer: int) -> Float[Tensor, "edit d"]:
        copies = super()._additions(flat, rows, layer)
        injected, source_loss = copies[: rows.n_neighbors], copies[rows.n_neighbors :]
        neighbors = flat[rows.targets[: rows.n_neighbors]].to(injected.dtype)
        norms = neighbors.norm(dim=-1, keepdim=True)
        wanted = (neighbors + injected).norm(dim=-1, keepdim=True)
        directions = neighbors / norms.clamp_min(torch.finfo(norms.dtype).tiny)
        return torch.cat([directions * (wanted - norms), source_loss])
