"""Which patches give credit and which receive it, fixed once per sample."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scr_lens.errors import LayoutError
from scr_lens.grid import PatchGrid
from scr_lens.requirements import require_lambda


@dataclass(frozen=True, kw_only=True, eq=False)
class RedistributionPlan:
    """Source patches and the neighbors that each of them feeds; all tensors hold patch numbers on the CPU.

    Sources and neighbors together are distinct, so every edited row is written once.

    Args:
        sources: Source patches, strongest first.
        neighbors: Receiving patches.
        owners: For each neighbor, the patch number of the source that feeds it.
        grid: The patch grid that the numbers refer to.

    Raises:
        LayoutError: If a patch is outside the grid or is edited twice, or an owner is not a source.

    Source: SCR paper, Sec. 3.1.
    """

    sources: Int[Tensor, "source"]
    neighbors: Int[Tensor, "neighbor"]
    owners: Int[Tensor, "neighbor"]
    grid: PatchGrid

    def __post_init__(self) -> None:
        targets = torch.cat([self.sources, self.neighbors])
        outside = targets[(targets < 0) | (targets >= self.grid.size)]
        if len(outside):
            raise LayoutError(
                f"plan holds patch {int(outside[0])} outside the {self.grid} grid; "
                f"use patch numbers from 0 to {self.grid.size - 1}"
            )
        repeated = torch.bincount(targets, minlength=self.grid.size) > 1
        if repeated.any():
            raise LayoutError(
                f"plan edits patch {int(repeated.nonzero()[0])} more than once; "
                "a patch may be one source or one neighbor"
            )
        self._check_owners()

    @property
    def neighbors_per_source(self) -> float:
        """Mean number m of neighbors per source: 0 for an empty plan, 8 at most for the "8" topology."""
        return len(self.neighbors) / max(1, len(self.sources))

    def nominal_gain(self, lambda_: float) -> float:
        """Compute the factor by which one application grows the summed norm of aligned, equal patches.

        gain = 1/lambda + m (lambda - 1) with m neighbors per source

        Args:
            lambda_: Redistribution strength.

        Returns:
            The gain per source; 1 for lambda = 1, about 1.51 for lambda = 1.1 and m = 6. It is nominal: the
            measured ratio of norms depends on the vectors.

        Raises:
            ConfigError: If lambda is not above 0.

        Source: SCR paper, Sec. 3.2.
        """
        strength = require_lambda(lambda_)
        return 1 / strength + self.neighbors_per_source * (strength - 1)

    def to_dict(self) -> dict[str, list[int]]:
        """Write the plan as plain values.

        Returns:
            `grid` as [height, width] and the lists `sources`, `neighbors` and `owners`.
        """
        return {
            "grid": [self.grid.height, self.grid.width],
            "sources": self.sources.tolist(),
            "neighbors": self.neighbors.tolist(),
            "owners": self.owners.tolist(),
        }

    def _check_owners(self) -> None:
        if self.owners.shape != self.neighbors.shape:
            raise LayoutError(
                f"plan has {len(self.neighbors)} neighbors, {len(self.owners)} owners; give one per neighbor"
            )
        strangers = self.owners[~torch.isin(self.owners, self.sources)]
        if len(strangers):
            raise LayoutError(
                f"plan names patch {int(strangers[0])} as an owner but it is no source; name a source"
            )


def dense_operator(plan: RedistributionPlan, lambda_: float) -> Float[Tensor, "patch patch"]:
    """Write one redistribution as a matrix that multiplies the patch vectors, for inspection.

    W = I + M with W[s, s] = 1/lambda and W[n, s] = lambda - 1, so that h' = W h

    Args:
        plan: Sources and neighbors.
        lambda_: Redistribution strength.

    Returns:
        W in float64; the unit matrix for lambda = 1.

    Raises:
        ConfigError: If lambda is not above 0.

    Source: SCR paper, Eq. 1.
    """
    strength = require_lambda(lambda_)
    operator = torch.eye(plan.grid.size, dtype=torch.float64)
    operator[plan.sources, plan.sources] = 1 / strength
    operator[plan.neighbors, plan.owners] = strength - 1
    return operator
