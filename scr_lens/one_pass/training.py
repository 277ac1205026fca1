"""From a model's own attention maps to a predictor of its sources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from scr_lens.config import DiagnosticConfig, ScrConfig
from scr_lens.errors import ConfigError, DataError
from scr_lens.grid import PatchGrid
from scr_lens.interventions import select
from scr_lens.one_pass.predictor import PredictorConfig, SourcePredictor, places
from scr_lens.serialization import to_dict
from scr_lens.trace import CaptureSpec, Lens, Sample, encode_images, run_pass
from scr_lens.training_state import TrainingState

HELD_OUT = 0.1
"""Share of the maps, the last ones, that measure the predictor and are not trained on."""
BATCH = 16
"""Maps per step of the optimizer."""


@dataclass(frozen=True, eq=False)
class Examples:
    """What a predictor learns from, one entry per sample.

    Attributes:
        projected: Residual stream after block 0 at the patches, as the predictor reads it.
        maps: Diagnostic attention of the patches.
        grids: Patch grids.
    """

    projected: tuple[Float[Tensor, "patch width"], ...]
    maps: tuple[Float[Tensor, " patch"], ...]
    grids: tuple[PatchGrid, ...]

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def digest(self) -> str:
        """SHA-256 of states, maps and grids: the same for the same examples in the same order."""
        found = hashlib.sha256(str(self.grids).encode())
        for tensor in (*self.projected, *self.maps):
            found.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
            found.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return found.hexdigest()

    def part(self, chosen: range | Sequence[int]) -> Examples:
        """Some of the examples."""
        return Examples(
            tuple(self.projected[i] for i in chosen),
            tuple(self.maps[i] for i in chosen),
            tuple(self.grids[i] for i in chosen),
        )


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """How well a predictor does.

    Attributes:
        n_maps: Maps trained on.
        n_held_out: Maps measured on; 0 if there were too few to hold any out.
        loss: Mean KL divergence to the training maps at the end, nats.
        recall: Share of the two-pass sources that are also the predictor's, on held-out maps (on the
            training maps if none were held out); 1 for the same sources.
        chance: The same share for sources drawn at random among the allowed patches.
    """

    n_maps: int
    n_held_out: int
    loss: float
    recall: float
    chance: float


def collect(
    lens: Lens,
    samples: Iterable[Sample],
    config: PredictorConfig,
    diagnostic: DiagnosticConfig = DiagnosticConfig(),  # noqa: B008 - frozen
    batch_size: int = 16,
) -> Examples:
    """Run a model on samples and keep block 0 and the diagnostic map of each, from one pass.

    Args:
        lens: The model.
        samples: Pictures with their questions.
        config: Sizes of the predictor to train; its projection is applied here.
        diagnostic: Blocks and queries of the map.
        batch_size: Samples per pass.

    Returns:
        One example per sample.

    Raises:
        DataError: If there are no samples.
        ConfigError: If the map is to come from another prompt or from a subset of heads, which one pass
            cannot give.
    """
    if diagnostic.diagnose_per == "image" or diagnostic.head_share < 1:
        raise ConfigError(
            f"one-pass training: diagnose_per={diagnostic.diagnose_per!r}, "
            f"head_share={diagnostic.head_share}; use diagnose_per='question' and head_share=1"
        )
    layers = diagnostic.resolved_layers(lens.n_layers)
    capture = CaptureSpec(
        resid_norms=False,
        attention=layers,
        queries=diagnostic.queries,
        residuals=(0,),
        logits=False,
        stop_after=layers.last,
    )
    reader = SourcePredictor(config)
    found = [
        (reader.project(record.residuals[0]), record.attention.mean(0), record.layout.grid)
        for group in _groups(samples, batch_size)
        for record in run_pass(lens, encode_images(lens, lens.prepare(group)), capture).samples
        if record.attention is not None
    ]
    if not found:
        raise DataError("one-pass training got no samples; give at least one picture")
    projected, maps, grids = zip(*found, strict=True)
    return Examples(projected, maps, grids)


def train_predictor(
    examples: Examples,
    config: PredictorConfig,
    scr: ScrConfig = ScrConfig(),  # noqa: B008 - frozen
    *,
    epochs: int = 60,
    learning_rate: float = 1e-3,
    state: Path | None = None,
) -> tuple[SourcePredictor, TrainingReport]:
    """Fit a predictor to attention maps, with the last tenth of them held out.

    loss = KL(A / sum A || softmax(scores)), AdamW with a cosine schedule; our choice, the paper names none

    Args:
        examples: Block 0 and maps.
        config: Sizes and seed.
        scr: Settings by which sources are selected, for the recall.
        epochs: Passes over the training maps.
        learning_rate: First step size.
        state: File that a stopped training resumes from, to the same weights; replaced every hundred steps,
            ignored if it is of other examples or settings, and left to the caller to delete. None keeps none.

    Returns:
        The predictor in evaluation mode, and its report.

    Raises:
        ConfigError: If `epochs` is below 1.
        DataError: If the file of the state is damaged.
    """
    if epochs < 1:
        raise ConfigError(f"one-pass training: epochs is {epochs}; give at least 1")
    n_held_out = int(HELD_OUT * len(examples))
    n_maps = len(examples) - n_held_out
    train, held_out = examples.part(range(n_maps)), examples.part(range(n_maps, len(examples)))
    predictor = SourcePredictor(config)
    predictor.standardize(torch.cat(train.projected))
    optimizer = torch.optim.AdamW(predictor.parameters(), lr=learning_rate, weight_decay=1e-2)
    batches = _batches(n_maps, epochs, config.seed)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    settings: dict[str, Any] = {"predictor": to_dict(config), "epochs": epochs, "rate": learning_rate}
    if state is not None:
        settings["examples"] = examples.digest
    for step in TrainingState(state, settings, predictor, optimizer, schedule).steps(
        len(batches), "predictor"
    ):
        loss = divergence(predictor, train.part(batches[step]))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return predictor.eval().requires_grad_(False), _report(predictor, train, held_out, scr)


def _batches(n_maps: int, epochs: int, seed: int) -> list[list[int]]:
    """The maps of every step, known beforehand, so that a resumed training goes on with the same ones."""
    order = torch.Generator().manual_seed(seed)
    return [
        chosen.tolist()
        for _ in range(epochs)
        for chosen in torch.split(torch.randperm(n_maps, generator=order), BATCH)
    ]


def divergence(predictor: SourcePredictor, examples: Examples) -> Float[Tensor, ""]:
    """Mean KL divergence of the predicted maps from the model's own, in nats."""
    losses = [
        torch.nn.functional.kl_div(torch.log_softmax(scores, dim=-1), target / target.sum(), reduction="sum")
        for scores, target in zip(_scores(predictor, examples), examples.maps, strict=True)
    ]
    return torch.stack(losses).mean()


def recall(predictor: SourcePredictor, examples: Examples, scr: ScrConfig) -> float:
    """Share of the two-pass sources that the predictor finds, averaged over examples."""
    shares = []
    for scores, attention, grid in zip(
        _scores(predictor, examples), examples.maps, examples.grids, strict=True
    ):
        found = set(select(scores, grid, scr).sources.tolist())
        wanted = set(select(attention, grid, scr).sources.tolist())
        shares.append(len(found & wanted) / len(wanted))
    return sum(shares) / len(shares)


def _scores(predictor: SourcePredictor, examples: Examples) -> Sequence[Float[Tensor, " patch"]]:
    """The predictor's scores of all patches of all examples, in one call."""
    rows = torch.cat(examples.projected)
    scores = predictor.score_projected(rows, torch.cat([places(grid) for grid in examples.grids]))
    return torch.split(scores, [grid.size for grid in examples.grids])


def _report(
    predictor: SourcePredictor, train: Examples, held_out: Examples, scr: ScrConfig
) -> TrainingReport:
    measured = held_out if len(held_out) else train
    with torch.no_grad():
        chances = [_chance(grid, scr) for grid in measured.grids]
        return TrainingReport(
            n_maps=len(train),
            n_held_out=len(held_out),
            loss=float(divergence(predictor, train)),
            recall=recall(predictor, measured, scr),
            chance=sum(chances) / len(chances),
        )


def _chance(grid: PatchGrid, scr: ScrConfig) -> float:
    allowed = len(grid.interior()) if scr.exclude_border else grid.size
    return scr.resolved_n_sources(grid.size) / allowed


def _groups(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    source = iter(samples)
    while group := list(islice(source, size)):
        yield group
