"""From an attention map to a plan: ranking, border rule, claims, conflicts and topologies."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from scr_lens.config import ScrConfig, Topology
from scr_lens.errors import ConfigError, DataError, LayoutError
from scr_lens.grid import PatchGrid
from scr_lens.interventions.plan import RedistributionPlan
from scr_lens.interventions.seeding import seeded_generator

FAR = 2
"""Scrambled neighbors lie at a Chebyshev distance above this from their source."""


def select(
    attention: Float[Tensor, "patch"],
    grid: PatchGrid,
    config: ScrConfig,
    generator: torch.Generator | None = None,
) -> RedistributionPlan:
    """Choose the sources and neighbors of one sample from its attention map.

    Sources are the K candidate patches with the most attention; of equal values the lowest patch number wins.
    In that order each source claims its neighbors that are no source and not yet claimed.

    Args:
        attention: Mean attention per patch, in raster order.
        grid: The patch grid.
        config: Number of sources, topology, conflict and border rules.
        generator: Source of the draws of the "scrambled" topology; None means one seeded with `config.seed`.

    Returns:
        The plan, with sources in descending order of attention.

    Raises:
        LayoutError: If the map does not have one value per patch.
        DataError: If a value is not finite.
        ConfigError: If the grid cannot hold the sources, or the scrambled neighbors.

    Examples:
        >>> attention = torch.arange(20.0)  # the last row gets most, but a border patch is no source
        >>> plan = select(attention, PatchGrid(height=4, width=5), ScrConfig(n_sources=1))
        >>> plan.sources.tolist(), plan.neighbors.tolist()
        ([13], [7, 8, 9, 12, 14, 17, 18, 19])

    Source: SCR paper, Sec. 3.1 and 6.1b.
    """
    if attention.shape != (grid.size,):
        raise LayoutError(
            f"attention map of shape {tuple(attention.shape)} does not fit the {grid} grid; "
            f"give {grid.size} values, one per patch"
        )
    if not attention.isfinite().all():
        bad = int((~attention.isfinite()).nonzero()[0])
        raise DataError(f"attention of patch {bad} is {float(attention[bad])}; give finite values")
    order = torch.sort(attention.detach().cpu(), descending=True, stable=True).indices
    return plan_from_order(order.tolist(), grid, config, generator)


def plan_from_order(
    order: Iterable[int], grid: PatchGrid, config: ScrConfig, generator: torch.Generator | None = None
) -> RedistributionPlan:
    """Take sources from a ranking of patches and let them claim their neighbors.

    Args:
        order: Patch numbers, best source first; border patches are passed over if the config excludes them.
        grid: The patch grid.
        config: Number of sources, topology, conflict and border rules.
        generator: Source of the draws of the "scrambled" topology; None means one seeded with `config.seed`.

    Returns:
        The plan, with sources in the given order.

    Raises:
        ConfigError: If the grid cannot hold the sources, or the scrambled neighbors.

    Source: SCR paper, Sec. 3.1.
    """
    allowed = grid.interior_mask() if config.exclude_border else np.ones(grid.size, dtype=bool)
    n_sources = config.resolved_n_sources(grid.size)
    _check_room(n_sources, grid, config, int(allowed.sum()))
    candidates = [cell for cell in order if allowed[cell]]
    scrambled = config.topology == "scrambled"
    topology: Topology = "8" if scrambled else config.topology
    if config.conflict == "sources_first":
        claims = _claim_after(candidates[:n_sources], grid, topology)
    else:
        claims = _claim_along(candidates, n_sources, grid, topology)
    plan = _plan_from_claims(claims, grid)
    if not scrambled:
        return plan
    return scramble(plan, generator or seeded_generator(config.seed, "scrambled"))


def scramble(plan: RedistributionPlan, generator: torch.Generator) -> RedistributionPlan:
    """Replace the neighbors of each source by patches drawn at random far from it.

    Args:
        plan: The plan whose sources and numbers of neighbors are kept.
        generator: Source of the draws.

    Returns:
        A plan with the same sources, the same number of neighbors per source, and every neighbor at a
        Chebyshev distance above 2 from its source.

    Raises:
        ConfigError: If too few free patches lie far from a source.

    Source: control of this project; the paper has no such control.
    """
    taken = set(plan.sources.tolist())
    claims: dict[int, list[int]] = {}
    for source in plan.sources.tolist():
        count = int((plan.owners == source).sum())
        claims[source] = _draw_far(source, count, plan.grid, taken, generator)
        taken.update(claims[source])
    return _plan_from_claims(claims, plan.grid)


def _draw_far(
    source: int, count: int, grid: PatchGrid, taken: set[int], generator: torch.Generator
) -> list[int]:
    cells = np.arange(grid.size)
    rows = np.abs(grid.row(cells) - grid.row(source))
    cols = np.abs(grid.col(cells) - grid.col(source))
    pool = [cell for cell in np.flatnonzero(np.maximum(rows, cols) > FAR).tolist() if cell not in taken]
    if len(pool) < count:
        raise ConfigError(
            f"scrambled topology needs {count} free patches farther than {FAR} from source {source} of the "
            f"{grid} grid, {len(pool)} are left; lower n_sources or use a larger grid"
        )
    return sorted(pool[i] for i in torch.randperm(len(pool), generator=generator)[:count].tolist())


def _claim_after(sources: Sequence[int], grid: PatchGrid, topology: Topology) -> dict[int, list[int]]:
    """Let fixed sources claim neighbors, in order."""
    taken = set(sources)
    claims: dict[int, list[int]] = {}
    for source in sources:
        claims[source] = [cell for cell in grid.neighbors(source, topology) if cell not in taken]
        taken.update(claims[source])
    return claims


def _claim_along(
    candidates: Sequence[int], n_sources: int, grid: PatchGrid, topology: Topology
) -> dict[int, list[int]]:
    """Choose sources one by one, passing over candidates that are already claimed."""
    taken: set[int] = set()
    claims: dict[int, list[int]] = {}
    for source in candidates:
        if len(claims) == n_sources:
            break
        if source in taken:
            continue
        claims[source] = [cell for cell in grid.neighbors(source, topology) if cell not in taken]
        taken.update((source, *claims[source]))
    if len(claims) < n_sources:
        raise ConfigError(
            f"n_sources is {n_sources} but conflict='skip_claimed' leaves {len(claims)} sources on the "
            f"{grid} grid; lower n_sources or use conflict='sources_first'"
        )
    return claims


def _plan_from_claims(claims: dict[int, list[int]], grid: PatchGrid) -> RedistributionPlan:
    pairs = [(cell, source) for source, cells in claims.items() for cell in cells]
    return RedistributionPlan(
        sources=torch.tensor(list(claims), dtype=torch.long),
        neighbors=torch.tensor([cell for cell, _ in pairs], dtype=torch.long),
        owners=torch.tensor([source for _, source in pairs], dtype=torch.long),
        grid=grid,
    )


def _check_room(n_sources: int, grid: PatchGrid, config: ScrConfig, n_candidates: int) -> None:
    if n_sources > n_candidates:
        kind = "interior cells" if config.exclude_border else "cells"
        raise ConfigError(
            f"n_sources is {n_sources} but the {grid} grid has {n_candidates} {kind} to choose from; "
            f"set n_sources to {n_candidates} or less"
            + (", or exclude_border to false" if config.exclude_border else "")
        )
