"""Before and after: one baseline pass that doubles as the diagnostic, then one pass per method."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from jaxtyping import Float
from torch import Tensor

from scr_lens.config import DiagnosticConfig, LayerRange, ScrConfig
from scr_lens.interventions import Intervention, find_method
from scr_lens.trace import (
    Batch,
    CaptureSpec,
    Lens,
    PassRecord,
    diagnose,
    encode_images,
    run_pass,
    untouched_pass,
)
from scr_lens.trace.head import Head, go_on, run_head


@dataclass(frozen=True, eq=False)
class Baseline:
    """The untouched pass over a batch, and the attention maps found on the way.

    Args:
        lens: The model.
        batch: Samples.
        keys: A key per sample, from which random controls are seeded.
        capture: What the untouched pass was asked to record.
        record: What it recorded.
        maps: Diagnostic attention map A per sample, once it is known (`attention_maps`).
        heads: The untouched blocks up to a first edited one, by capture and block, once they were needed
            (`treated_pass`); None where they cannot be reused.
    """

    lens: Lens
    batch: Batch
    keys: tuple[str, ...]
    capture: CaptureSpec
    record: PassRecord
    maps: dict[DiagnosticConfig, tuple[Float[Tensor, " patch"], ...]] = field(default_factory=dict)
    heads: dict[tuple[CaptureSpec, int], Head | None] = field(default_factory=dict)


def baseline_pass(lens: Lens, batch: Batch, keys: tuple[str, ...], capture: CaptureSpec) -> Baseline:
    """Runs the untouched model once, the image tower for this and all later passes over the baseline's batch.

    Questions about one image share the image's computation: exact to rounding, and by itself where samples
    have one image object in common and nothing stands against it; see `trace.shared_prefix`.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.
        keys: A key per sample; equal keys get equal random draws whatever the batch.
        capture: What to record. If it includes the diagnostic blocks, no second diagnostic pass is made.

    Returns:
        The baseline, from which `treated_pass` builds every method.
    """
    encoded = encode_images(lens, batch)
    return Baseline(lens, encoded, keys, capture, untouched_pass(lens, encoded, capture))


def attention_maps(baseline: Baseline, config: DiagnosticConfig) -> tuple[Float[Tensor, " patch"], ...]:
    """The diagnostic attention map of every sample, reusing the baseline pass where it holds it.

    A_i = mean over the diagnostic blocks, heads and queries of attn_probs[layer][head, query, image_i]

    Args:
        baseline: Baseline of the batch.
        config: Blocks, queries and heads of the map.

    Returns:
        One map per sample; bitwise equal whether reused or computed by `diagnose`.

    Source: SCR paper, Sec. 3.1.
    """
    if config not in baseline.maps:
        reused = _reused_maps(baseline, config)
        baseline.maps[config] = reused or diagnose(baseline.lens, baseline.batch, config)
    return baseline.maps[config]


def _reused_maps(baseline: Baseline, config: DiagnosticConfig) -> tuple[Tensor, ...] | None:
    wanted = config.resolved_layers(baseline.lens.n_layers)
    samples, held = baseline.record.samples, baseline.capture.attention
    same_rows = config.queries == baseline.capture.queries and config.head_share == 1
    if (
        config.diagnose_per == "image"
        or held is None
        or not same_rows
        or not (wanted.first in held and wanted.last in held)
    ):
        return None
    first, last = wanted.first - held.first, wanted.last - held.first
    return tuple(s.attention[first : last + 1].mean(0) for s in samples if s.attention is not None)


def treatment(baseline: Baseline, method: str, config: ScrConfig) -> Intervention:
    """Builds a method's intervention for the batch of a baseline.

    Args:
        baseline: Baseline of the batch.
        method: Name of a built-in method, such as "scr".
        config: Settings of the redistribution.

    Returns:
        The intervention, one plan per sample.

    Raises:
        ConfigError: If the method is unknown or the settings do not fit the model.
    """
    chosen = find_method(method)
    maps = attention_maps(baseline, config.diagnostic) if chosen.needs_attention else None
    lens = baseline.lens
    return chosen.build(maps, baseline.batch.layouts, lens.n_layers, lens.model_type, config, baseline.keys)


def treated_pass(baseline: Baseline, intervention: Intervention, capture: CaptureSpec) -> PassRecord:
    """Runs the batch of a baseline again with an intervention, from the first edited block on.

    What comes before that block is run once for all interventions that begin there.

    Args:
        baseline: Baseline of the batch.
        intervention: What to do to the residual stream.
        capture: The baseline's or another.

    Returns:
        The record of `run_pass(baseline.lens, baseline.batch, capture, intervention)`, to rounding.

    Raises:
        ConfigError: If capture or intervention name blocks that the model does not have.
        ContractError: If the model does not return attention rows, or recorded values are not finite.
    """
    head = None if intervention.layers is None else _head(baseline, capture, intervention.layers.first)
    if head is None:
        return run_pass(baseline.lens, baseline.batch, capture, intervention)
    return go_on(head, intervention)


def _head(baseline: Baseline, capture: CaptureSpec, layer: int) -> Head | None:
    if baseline.lens.tap.edit is not None:
        return None
    if (capture, layer) not in baseline.heads:
        baseline.heads[capture, layer] = run_head(baseline.lens, baseline.batch, capture, layer)
    return baseline.heads[capture, layer]


def full_capture(lens: Lens, config: DiagnosticConfig) -> CaptureSpec:
    """Norms and attention of every block and the answer: what an inspection shows."""
    return CaptureSpec(attention=LayerRange(0, lens.n_layers - 1), queries=config.queries)


def diagnostic_capture(lens: Lens, config: DiagnosticConfig) -> CaptureSpec:
    """Norms of every block, attention of the diagnostic blocks only, and the answer: what a run stores."""
    return replace(full_capture(lens, config), attention=config.resolved_layers(lens.n_layers))
