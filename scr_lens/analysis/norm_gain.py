"""How much an intervention amplifies the residual stream of the image tokens."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Num

from scr_lens.errors import DataError

Aggregate = Literal["sum", "frobenius"]


def nominal_gain(lambda_: float, neighbors_per_source: float) -> float:
    """Gain of one application for equal norms and parallel vectors, in units of a source's norm.

    1 / lambda + m (lambda - 1): what a source keeps plus what it hands to m neighbors.

    Args:
        lambda_: Strength, > 0.
        neighbors_per_source: Mean number m of neighbors that a source owns.

    Returns:
        1 for lambda = 1; 1.51 for lambda = 1.1 and m = 6, the paper's 51%.

    Raises:
        DataError: If lambda is not positive or m is negative.

    Source: SCR paper, Sec. 3.2.
    """
    if lambda_ <= 0 or neighbors_per_source < 0:
        raise DataError(
            f"lambda={lambda_}, neighbors={neighbors_per_source}: expected lambda > 0 and neighbors >= 0"
        )
    return 1 / lambda_ + neighbors_per_source * (lambda_ - 1)


def norm_gain(
    before: Num[np.ndarray, "*batch layer patch"],
    after: Num[np.ndarray, "*batch layer patch"],
    aggregate: Aggregate = "sum",
) -> Float[np.ndarray, "*batch layer"]:
    """Measured ratio of the image tokens' aggregate norm after and before, per layer.

    sum_i |h'_i| / sum_i |h_i| ("sum"), or sqrt(sum |h'_i|^2 / sum |h_i|^2) ("frobenius").

    Args:
        before: |h_i| per layer and patch without the intervention.
        after: |h_i| with it.
        aggregate: How patches are combined; the paper says "total l2 norm" and leaves it open.

    Returns:
        1 where nothing changed; 1.51 would be the paper's 51% amplification.

    Raises:
        DataError: If shapes differ, a norm is negative or not finite, or all norms of a layer are zero
            before.

    Source: SCR paper, Sec. 3.2 and Table C2.
    """
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.shape != second.shape:
        raise DataError(
            f"norms of shapes {first.shape} and {second.shape}: expected the same layers and patches"
        )
    if not all(np.isfinite(part).all() and (part >= 0).all() for part in (first, second)):
        raise DataError("norms contain a negative, NaN or infinite value: check the captured tensors")
    power = 1 if aggregate == "sum" else 2
    totals = [np.sum(part**power, axis=-1) for part in (first, second)]
    if not (totals[0] > 0).all():
        raise DataError(
            "all norms of a layer are zero before the intervention: no ratio; check the captured tensors"
        )
    ratio: np.ndarray = (totals[1] / totals[0]) ** (1 / power)
    return ratio
