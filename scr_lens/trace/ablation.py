"""Causal credit: how much the answer loses when one patch's residual is replaced by the mean patch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from scr_lens.config import LayerRange
from scr_lens.errors import ConfigError
from scr_lens.interventions.base import Identity, Intervention
from scr_lens.trace.capture import CaptureSpec, GradientTarget
from scr_lens.trace.model import Lens
from scr_lens.trace.passes import run_pass
from scr_lens.trace.sample import Batch, Sample

LOGITS_ONLY = CaptureSpec(resid_norms=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanReplacement:
    """Replaces one patch per row by the mean over the row's patches, at one block.

    Args:
        layer: The block.
        image_positions: Row positions of the patches, the same in every row.
        cells: Patch to replace in each row.
        after: The intervention that is active anyway.
    """

    layer: int
    image_positions: Int[Tensor, "patch"]
    cells: Int[Tensor, "batch"]
    after: Intervention = Identity()  # noqa: RUF009 - frozen

    @property
    def layers(self) -> LayerRange:
        """The blocks of both interventions, from the first to the last."""
        other = self.after.layers
        if other is None:
            return LayerRange(self.layer, self.layer)
        return LayerRange(min(self.layer, other.first), max(self.layer, other.last))

    def __call__(
        self, resid_post: Float[Tensor, "batch seq d_model"], layer: int
    ) -> Float[Tensor, "batch seq d_model"]:
        """Edit the output of one block.

        Args:
            resid_post: Residual stream after the block.
            layer: The block.

        Returns:
            The edited stream; the same object at blocks where neither intervention acts.
        """
        acts = self.after.layers is not None and layer in self.after.layers
        stream = self.after(resid_post, layer) if acts else resid_post
        if layer != self.layer:
            return stream
        positions = self.image_positions.to(stream.device)
        rows = torch.arange(len(self.cells), device=stream.device)
        edited = stream.clone()
        mean_patch = stream[:, positions].float().mean(1)
        edited[rows, positions[self.cells.to(stream.device)]] = mean_patch.to(stream.dtype)
        return edited


def ablation_credit(
    lens: Lens,
    batch: Batch,
    *,
    layers: LayerRange | None = None,
    cells: Sequence[int] | None = None,
    target: GradientTarget = "answer",
    intervention: Intervention | None = None,
    rows_per_pass: int = 32,
    progress: bool = False,
) -> tuple[Float[Tensor, "layer patch"], ...]:
    """Drop of log P(y) when one patch at one block is replaced by the mean patch of that block.

    c_i = log P(y) - log P(y | h_i := mean_j h_j), with the mean over the sample's own patches.

    Every number is a forward pass of its own (batched by repeating the sample), so the cost is blocks x
    patches.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.
        layers: Blocks to ablate at; None means all.
        cells: Patches to ablate; None means all. The others are NaN.
        target: "answer" explains the greedy token of the unablated run, else one token id per sample.
        intervention: An intervention for one sample that is active in all runs; None for none. Only for a
            batch of one sample.
        rows_per_pass: How many copies of the sample run at once.
        progress: Show a progress bar.

    Returns:
        One map per sample in nats: positive where the patch supports the answer, 0 where it does not matter
        or equals the mean, negative where it speaks against the answer.

    Raises:
        ConfigError: If blocks, targets, cells or `rows_per_pass` do not fit.

    Source: SCR paper, Sec. 3.3 (the causal reading of credit is this project's choice).
    """
    span = (layers or LayerRange(0, lens.n_layers - 1)).within(lens.n_layers)
    if rows_per_pass < 1:
        raise ConfigError(f"rows_per_pass is {rows_per_pass}; give at least 1")
    if not isinstance(target, str) and len(target) != len(batch):
        raise ConfigError(f"target has {len(target)} token ids for {len(batch)} samples; give one per sample")
    if intervention is not None and len(batch) != 1:
        raise ConfigError(
            f"ablation under an intervention takes one sample at a time, got {len(batch)}; "
            "prepare each sample alone, with its own intervention"
        )
    maps = []
    total = len(span) * sum(len(_cells(cells, layout.grid.size)) for layout in batch.layouts)
    with tqdm(total=total, desc="ablation", disable=not progress) as bar:
        for row, sample in enumerate(batch.samples):
            token = None if isinstance(target, str) else target[row]
            job = _Job(lens, sample, token, rows_per_pass, intervention)
            maps.append(job.run(span, cells, bar))
    return tuple(maps)


@dataclass(frozen=True, eq=False)
class _Job:
    """The ablations of one sample."""

    lens: Lens
    sample: Sample
    target: int | None
    rows_per_pass: int
    intervention: Intervention | None

    def run(self, layers: LayerRange, cells: Sequence[int] | None, bar: Any) -> Tensor:
        single = self.lens.prepare(self.sample)
        layout = single.layouts[0]
        wanted = _cells(cells, layout.grid.size)
        credit = torch.full((len(layers), layout.grid.size), float("nan"))
        for chunk, batch in self._chunks(wanted):
            base = run_pass(self.lens, batch, LOGITS_ONLY, self._base(len(chunk))).samples[0]
            target = self.target if self.target is not None else int(base.logits.argmax())  # type: ignore[union-attr]
            for index, layer in enumerate(layers.layers):
                edit = MeanReplacement(
                    layer=layer,
                    image_positions=layout.image_positions,
                    cells=torch.tensor(chunk),
                    after=self._base(len(chunk)),
                )
                records = run_pass(self.lens, batch, LOGITS_ONLY, edit).samples
                drops = [base.log_prob(target) - record.log_prob(target) for record in records]
                credit[index, chunk] = torch.tensor(drops)
                bar.update(len(chunk))
        return credit

    def _chunks(self, cells: list[int]) -> Iterator[tuple[list[int], Batch]]:
        batch: Batch | None = None
        for start in range(0, len(cells), self.rows_per_pass):
            chunk = cells[start : start + self.rows_per_pass]
            if batch is None or len(batch) != len(chunk):
                batch = self.lens.prepare([self.sample] * len(chunk))
            yield chunk, batch

    def _base(self, rows: int) -> Intervention:
        return Identity() if self.intervention is None else _RowByRow(self.intervention, rows)


@dataclass(frozen=True, eq=False)
class _RowByRow:
    """Applies a one-sample intervention to each row of a batch that repeats the sample."""

    single: Intervention
    rows: int

    @property
    def layers(self) -> LayerRange | None:
        return self.single.layers

    def __call__(self, resid_post: Tensor, layer: int) -> Tensor:
        edited = [self.single(row, layer) for row in resid_post.split(1)]
        return torch.cat(edited)


def _cells(cells: Sequence[int] | None, n_patches: int) -> list[int]:
    chosen = list(range(n_patches)) if cells is None else list(cells)
    outside = [cell for cell in chosen if not 0 <= cell < n_patches]
    if outside or not chosen:
        raise ConfigError(
            f"cells {outside or chosen} are not in the grid; give patches from 0 to {n_patches - 1}"
        )
    return chosen
