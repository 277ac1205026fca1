"""Eq. 1 of the paper: sources give part of their residual to their neighbors, in one gather and one add."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scr_lens.config import LayerRange, Schedule
from scr_lens.errors import ConfigError, LayoutError, unknown_name
from scr_lens.interventions.plan import RedistributionPlan
from scr_lens.requirements import require_lambda


@dataclass(frozen=True, kw_only=True, eq=False)
class EditRows:
    """Rows of the flattened `[batch * seq, d_model]` stream that an edit reads and writes.

    Args:
        origins: Row to read for each written row: the owner of each neighbor, then each source itself.
        targets: Row to write: all neighbors, then all sources; no row twice.
        weights: Share of the origin that is added to the target: lambda - 1, then 1/lambda - 1; in float32 or
            wider, because half precision would round the share 0.10.
        neighbor_counts: Number of neighbors of each sample, 0 where it has no plan.
    """

    origins: Int[Tensor, "edit"]
    targets: Int[Tensor, "edit"]
    weights: Float[Tensor, "edit 1"]
    neighbor_counts: tuple[int, ...]

    @property
    def n_neighbors(self) -> int:
        """Number of neighbors over all samples; the first rows of every tensor."""
        return sum(self.neighbor_counts)

    def to(self, device: torch.device, dtype: torch.dtype) -> "EditRows":
        """Move the tensors.

        Args:
            device: Where the stream lives.
            dtype: The type to compute additions in.

        Returns:
            The same rows on the device, with weights of the type.
        """
        return EditRows(
            origins=self.origins.to(device),
            targets=self.targets.to(device),
            weights=self.weights.to(dtype).to(device),
            neighbor_counts=self.neighbor_counts,
        )


class Redistribution:
    """Spatial credit redistribution at a range of decoder blocks, with one plan per sample.

    At a block of the range every sample with a plan gets, with the unscaled source vectors,
    h_n <- h_n + (lambda - 1) h_s for each neighbor n of source s, and h_s <- h_s / lambda.
    Row indices are computed once per row length and device, then reused at every block.

    Args:
        plans: One plan per sample; None leaves the sample alone.
        image_positions: Per sample, the row positions of its patches in raster order.
        lambda_: Strength; 1 adds exact zeros.
        layers: Blocks of the range.
        schedule: "every_layer" acts at each of them, "once" at the last one.

    Raises:
        ConfigError: If lambda or the schedule is not allowed.
        LayoutError: If plans and positions disagree.

    Source: SCR paper, Eq. 1 and Sec. 3.2.
    """

    def __init__(
        self,
        plans: Sequence[RedistributionPlan | None],
        image_positions: Sequence[Int[Tensor, "_"]],
        lambda_: float,
        layers: LayerRange,
        schedule: Schedule = "every_layer",
    ) -> None:
        if schedule not in get_args(Schedule):
            raise ConfigError(unknown_name("schedule", schedule, get_args(Schedule)))
        _check_positions(plans, image_positions)
        self.plans = tuple(plans)
        self.image_positions = tuple(image_positions)
        self.lambda_ = require_lambda(lambda_)
        self._layers = layers if schedule == "every_layer" else LayerRange(layers.last, layers.last)
        self._last_position = _last_position(plans, image_positions)
        self._rows: dict[tuple[int, torch.device, torch.dtype], EditRows] = {}

    @property
    def layers(self) -> LayerRange:
        """The blocks that are edited; with schedule "once" the last block of the range."""
        return self._layers

    def __call__(
        self, resid_post: Float[Tensor, "batch seq d_model"], layer: int
    ) -> Float[Tensor, "batch seq d_model"]:
        """Edit the output of one block.

        Args:
            resid_post: Residual stream after the block's second addition.
            layer: The block, counted from 0.

        Returns:
            The edited stream as a new tensor; the same object if the block is outside the range, no sample
            has a plan, or the row ends before the last patch (a decode step, whose patches are in the cache).

        Raises:
            LayoutError: If the batch does not have one sample per plan.
        """
        if layer not in self.layers:
            return resid_post
        _check_batch(resid_post, self.plans)
        if not 0 <= self._last_position < resid_post.shape[1]:
            return resid_post
        rows = self._rows_for(resid_post)
        flat = resid_post.reshape(-1, resid_post.shape[2])
        additions = self._additions(flat, rows, layer).to(flat.dtype)
        return flat.index_add(0, rows.targets, additions).view(resid_post.shape)

    def _additions(self, flat: Float[Tensor, "row d"], rows: EditRows, layer: int) -> Float[Tensor, "edit d"]:
        """Compute what is added to each target row, in float32 or wider."""
        del layer
        return flat[rows.origins].to(rows.weights.dtype) * rows.weights

    def _rows_for(self, resid_post: Tensor) -> EditRows:
        seq_len, device = resid_post.shape[1], resid_post.device
        dtype = torch.promote_types(resid_post.dtype, torch.float32)
        key = (seq_len, device, dtype)
        if key not in self._rows:
            rows = _edit_rows(self.plans, self.image_positions, self.lambda_, seq_len)
            self._rows[key] = rows.to(device, dtype)
        return self._rows[key]


def redistribute(
    resid_post: Float[Tensor, "batch seq d_model"],
    plans: Sequence[RedistributionPlan | None],
    image_positions: Sequence[Int[Tensor, "_"]],
    lambda_: float,
) -> Float[Tensor, "batch seq d_model"]:
    """Apply one redistribution to a residual stream.

    h_n <- h_n + (lambda - 1) h_s for every neighbor n of source s;  h_s <- h_s / lambda

    Peak preservation, max_i |h'_i| >= max_j |h_j| / lambda, is the paper's proposition for lambda in
    [1.05, 1.15]. It holds whenever the patch of largest norm is a source or is untouched, and also when it is
    a neighbor n of a source s with |h_s| <= |h_n| / lambda, or with
    cos(h_n, h_s) >= -(1 - 1/lambda^2 + (lambda - 1)^2) / (2 (lambda - 1)), which is -0.918 for lambda = 1.10.
    It can fail for a neighbor that points nearly opposite to a source of nearly its own norm: h_n = 1 and
    h_s = -0.95 give a peak of 0.905 < 1/1.1. Without conditions only max_i |h'_i| >= (2 - lambda) max_j |h_j|
    is certain, for 1 <= lambda <= 2.

    Args:
        resid_post: Residual stream after a block; it is not written to.
        plans: One plan per sample; None leaves the sample alone.
        image_positions: Per sample, the row positions of its patches in raster order.
        lambda_: Strength; 1 changes no value of a finite stream (a -0.0 may turn into 0.0).

    Returns:
        A new tensor whose rows outside the plans are bitwise those of the input; the input itself if there is
        nothing to edit or the row ends before the last patch.

    Raises:
        ConfigError: If lambda is not above 0.
        LayoutError: If batch, plans and positions disagree.

    Examples:
        >>> from scr_lens.grid import PatchGrid
        >>> source, neighbor = torch.tensor([0]), torch.tensor([1])
        >>> grid = PatchGrid(height=1, width=3)
        >>> plan = RedistributionPlan(sources=source, neighbors=neighbor, owners=source, grid=grid)
        >>> stream = torch.tensor([[[10.0], [2.0], [3.0], [4.0]]])  # text, then three patches of one number
        >>> redistribute(stream, [plan], [torch.tensor([1, 2, 3])], lambda_=2.0).flatten().tolist()
        [10.0, 1.0, 5.0, 4.0]

    Source: SCR paper, Eq. 1 and Sec. 3.2 (proposition on peak preservation).
    """
    return Redistribution(plans, image_positions, lambda_, LayerRange(0, 0))(resid_post, 0)


def _edit_rows(
    plans: Sequence[RedistributionPlan | None],
    image_positions: Sequence[Int[Tensor, "_"]],
    lambda_: float,
    seq_len: int,
) -> EditRows:
    neighbors, owners, sources = [], [], []
    for sample, (plan, positions) in enumerate(zip(plans, image_positions, strict=True)):
        if plan is not None:
            rows = positions.cpu() + sample * seq_len
            neighbors.append(rows[plan.neighbors])
            owners.append(rows[plan.owners])
            sources.append(rows[plan.sources])
    targets = torch.cat(neighbors + sources)
    weights = torch.full((len(targets), 1), lambda_ - 1, dtype=torch.float64)
    weights[sum(map(len, neighbors)) :] = 1 / lambda_ - 1
    return EditRows(
        origins=torch.cat(owners + sources),
        targets=targets,
        weights=weights,
        neighbor_counts=tuple(0 if plan is None else len(plan.neighbors) for plan in plans),
    )


def _last_position(
    plans: Sequence[RedistributionPlan | None], image_positions: Sequence[Int[Tensor, "_"]]
) -> int:
    """Find the last patch position of the samples to edit; -1 if there is none."""
    pairs = zip(plans, image_positions, strict=True)
    return max((int(positions[-1]) for plan, positions in pairs if plan is not None), default=-1)


def _check_positions(
    plans: Sequence[RedistributionPlan | None], image_positions: Sequence[Int[Tensor, "_"]]
) -> None:
    if len(plans) != len(image_positions):
        raise LayoutError(
            f"{len(plans)} plans but {len(image_positions)} rows of image positions; give one of each"
        )
    for sample, (plan, positions) in enumerate(zip(plans, image_positions, strict=True)):
        if plan is None:
            continue
        if len(positions) != plan.grid.size:
            raise LayoutError(
                f"sample {sample} has {len(positions)} image positions, its plan is for a {plan.grid} grid; "
                f"give {plan.grid.size} positions"
            )
        if int(positions[0]) < 0 or (positions.diff() <= 0).any():
            raise LayoutError(
                f"image positions of sample {sample} are negative or unsorted; give each once, ascending"
            )


def _check_batch(resid_post: Tensor, plans: Sequence[RedistributionPlan | None]) -> None:
    if resid_post.ndim != 3 or resid_post.shape[0] != len(plans):
        raise LayoutError(
            f"residual of shape {tuple(resid_post.shape)} does not fit {len(plans)} plans; "
            "give [batch, seq, d_model] with one plan per sample"
        )
