"""The paper's Proposition, checked numerically: peak preservation and the entropy / distance trade-off.

The statement's formula is lost in the text; its constraint (peak at least 1 / lambda of the former peak) and
its purpose (more entropy for little change) are what is checked here, on norm maps of small grids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Num
from scipy import optimize

from scr_lens.analysis.entropy import credit_entropy
from scr_lens.errors import DataError
from scr_lens.grid import PatchGrid


def peak_lower_bound(lambda_: float) -> float:
    """Smallest share of the largest norm that one application of Eq. 1 can leave, over all possible inputs.

    1 / (1 + lambda (lambda - 1)). Let the largest patch (norm 1) be a neighbor and its source point the
    opposite way with norm s < 1: they become 1 - (lambda - 1) s and s / lambda, whose maximum is smallest
    where they meet.

    Args:
        lambda_: Strength, > 1.

    Returns:
        Share of the former peak: 0.901 for lambda = 1.1, just below the paper's 1 / lambda = 0.909.

    Raises:
        DataError: If lambda <= 1.
    """
    if lambda_ <= 1:
        raise DataError(
            f"lambda={lambda_}: expected a value above 1, the range of the Proposition is 1.05 to 1.15"
        )
    return 1 / (1 + lambda_ * (lambda_ - 1))


def peak_counterexample(
    lambda_: float,
) -> tuple[Float[np.ndarray, "patch dim"], Float[np.ndarray, "patch dim"]]:
    """Build two patches, a source and its neighbor, for which the peak bound 1 / lambda fails.

    Args:
        lambda_: Strength, > 1.

    Returns:
        Vectors before (row 0 the source, row 1 the neighbor with the largest norm 1) and after one
        application; the largest norm after equals `peak_lower_bound`.

    Raises:
        DataError: If lambda <= 1.
    """
    source_norm = lambda_ * peak_lower_bound(lambda_)
    before = np.array([[-source_norm, 0.0], [1.0, 0.0]])
    after = np.array([before[0] / lambda_, before[1] + (lambda_ - 1) * before[0]])
    return before, after


def norm_step(
    norms: Num[np.ndarray, "patch"], sources: Sequence[int], grid: PatchGrid, lambda_: float
) -> Float[np.ndarray, "patch"]:
    """Eq. 1 on a map of norms whose vectors all point the same way (8 neighbors, first source claims).

    Args:
        norms: |h_i| per patch.
        sources: Source patches in descending attention order.
        grid: The grid.
        lambda_: Strength.

    Returns:
        Norms after one application.

    Raises:
        DataError: If the map does not fit the grid.
    """
    values = np.asarray(norms, dtype=np.float64)
    if values.shape != (grid.size,):
        raise DataError(f"norms have shape {values.shape} for a grid of {grid}: expected ({grid.size},)")
    after = values.copy()
    claimed = set(sources)
    for source in sources:
        for neighbor in grid.neighbors(source):
            if neighbor not in claimed:
                claimed.add(neighbor)
                after[neighbor] += (lambda_ - 1) * values[source]
        after[source] = values[source] / lambda_
    return after


@dataclass(frozen=True)
class FrontPoint:
    """One point of the trade-off between change and entropy.

    Attributes:
        norms: The map.
        distance: Euclidean distance to the map before.
        entropy: Credit entropy in nats.
    """

    norms: np.ndarray
    distance: float
    entropy: float


def front_point(norms: Num[np.ndarray, "patch"], before: Num[np.ndarray, "patch"]) -> FrontPoint:
    """Place a map in the plane of change and entropy.

    Args:
        norms: The map.
        before: The map that change is counted from.

    Returns:
        Its distance to the map before and its credit entropy.
    """
    entropy = float(credit_entropy(norms, normalize=False))
    return FrontPoint(norms, float(np.linalg.norm(norms - before)), entropy)


def _entropy_gradient(norms: np.ndarray) -> np.ndarray:
    total = norms.sum()
    weights = np.maximum(norms / total, 1e-12)
    entropy = -np.sum(weights * np.log(weights))
    gradient: np.ndarray = -(np.log(weights) + entropy) / total
    return gradient


def nearest_map(norms: Num[np.ndarray, "patch"], entropy: float, peak: float) -> FrontPoint:
    """The closest map with at least a given entropy and a given peak.

    minimize |a - a0|^2 subject to H(a) >= entropy, a >= 0, a_k >= peak. For a fixed k this is convex (the
    maps with H >= t form a convex cone), so the local solution is the global one; k is the position of the
    largest norm, which is optimal because exchanging two values of a map against the order of a0 only costs
    distance.

    Args:
        norms: The map before, positive.
        entropy: Wanted credit entropy in nats.
        peak: Smallest allowed maximum.

    Returns:
        The point on the trade-off front.

    Raises:
        DataError: If the entropy exceeds ln(patches) or the solver fails.
    """
    before = np.asarray(norms, dtype=np.float64)
    if entropy > np.log(len(before)) + 1e-9:
        raise DataError(
            f"entropy {entropy:.4g} nats: expected at most ln {len(before)} = {np.log(len(before)):.4g}"
        )
    scale, top = before.max(), int(np.argmax(before))
    start = np.maximum(before / scale, 1e-6)
    floor = np.full(len(before), 1e-9)
    floor[top] = peak / scale
    constraint = {
        "type": "ineq",
        "fun": lambda a: credit_entropy(np.maximum(a, 0.0), normalize=False) - entropy,
        "jac": _entropy_gradient,
    }
    minimize: Any = optimize.minimize
    found = minimize(
        lambda a: np.sum((a - before / scale) ** 2),
        0.5 * (start + start.mean()),
        jac=lambda a: 2 * (a - before / scale),
        bounds=[(low, None) for low in floor],
        constraints=[constraint],
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    if not found.success:
        raise DataError(
            f"no map with entropy {entropy:.4g} found ({found.message}): use a smaller grid or target"
        )
    return front_point(found.x * scale, before)


@dataclass(frozen=True)
class TradeOff:
    """Where SCR's step lies relative to the best possible maps.

    Attributes:
        before: The map before.
        scr: SCR's step.
        front: Nearest maps for increasing entropy.
        nearest: Nearest map with SCR's entropy (or the map before if SCR did not raise it).
        efficiency: nearest.distance / scr.distance in [0, 1]: 1 on the front, 0 when the entropy was free.
        peak_ratio: SCR's peak divided by the former peak.
    """

    before: FrontPoint
    scr: FrontPoint
    front: tuple[FrontPoint, ...]
    nearest: FrontPoint
    efficiency: float
    peak_ratio: float


def trade_off(
    norms: Num[np.ndarray, "patch"],
    sources: Sequence[int],
    grid: PatchGrid,
    lambda_: float = 1.1,
    n_points: int = 7,
) -> TradeOff:
    """Compare SCR's step with the optimum of the constrained entropy / distance problem.

    Args:
        norms: Positive norms per patch of a small grid (up to about 64 patches).
        sources: Source patches in descending attention order.
        grid: The grid.
        lambda_: Strength; the peak constraint is max / lambda.
        n_points: Points on the front, from the entropy before towards the uniform map.

    Returns:
        The front, SCR's step and its efficiency.

    Raises:
        DataError: If a norm is not positive or the map does not fit the grid.

    Source: SCR paper, Sec. 3.3 (Proposition, Peak-Preserving Expansion).
    """
    values = np.asarray(norms, dtype=np.float64)
    if not (values > 0).all():
        raise DataError(f"norms contain {values.min():.4g}: expected positive norms")
    before, peak = front_point(values, values), float(values.max()) / lambda_
    scr = front_point(norm_step(values, sources, grid, lambda_), values)
    ceiling = before.entropy + 0.9 * (np.log(grid.size) - before.entropy)
    targets = np.linspace(before.entropy, ceiling, n_points)[1:]
    front = (before, *(nearest_map(values, float(target), peak) for target in targets))
    nearest = nearest_map(values, scr.entropy, peak) if scr.entropy > before.entropy else before
    efficiency = nearest.distance / scr.distance if scr.distance > 0 else 1.0
    return TradeOff(before, scr, front, nearest, efficiency, float(scr.norms.max() / values.max()))
