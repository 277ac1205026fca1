"""The blocks before an edit, run once for all edits that begin at one block."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scr_lens.config import LayerRange
from scr_lens.errors import ContractError
from scr_lens.interventions.base import Intervention
from scr_lens.trace.capture import CaptureSpec
from scr_lens.trace.model import Lens, RowsBackend
from scr_lens.trace.passes import observe
from scr_lens.trace.record import PassRecord, SampleRecord
from scr_lens.trace.recorder import Recorder
from scr_lens.trace.sample import Batch
from scr_lens.trace.shared_prefix import Obstacle, find_packing, packed_inputs


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """The untouched pass up to the output of a block, from which passes with an edit there go on.

    Attributes:
        lens: The model.
        batch: The samples.
        capture: What a pass that goes on records in all.
        layer: The block.
        record: What the capture asks of earlier blocks, and of the attention inside this one.
        output: The block's output, for the rows that were run.
        tokens: Row and column in `output` of every token of the batch; at padding those of some token.
    """

    lens: Lens
    batch: Batch
    capture: CaptureSpec
    layer: int
    record: PassRecord
    output: Any
    tokens: tuple[Int[Tensor, "batch 1"], Int[Tensor, "batch seq"]]

    def stream(self) -> Float[Tensor, "batch seq d_model"]:
        """The residual stream after the block in the batch's own rows, as a new tensor."""
        hidden = self.lens.family.hidden(self.output)
        row, column = (part.to(hidden.device) for part in self.tokens)
        return hidden[row, column]


class _OutputRecorder(Recorder):
    """Keeps the output of the last block that runs, whole."""

    output: Any = None


def run_head(lens: Lens, batch: Batch, capture: CaptureSpec, layer: int) -> Head | None:
    """Run the untouched model up to a block; questions about one image share the image's computation.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.
        capture: What passes that go on will record.
        layer: The first block that is edited.

    Returns:
        The head; None where going on would not be the whole pass: gradients, a pass that ends at the block,
        an active edit of another kind, or blocks that hand on more than the residual stream.

    Raises:
        ConfigError: If the capture or the edit name blocks that the model does not have.
        ContractError: If the model does not return attention rows, or recorded values are not finite.
    """
    last = capture.last_layer(lens.n_layers)
    LayerRange(layer, layer).within(lens.n_layers)
    if capture.gradients or layer >= last or lens.nn._edits or lens.tap.edit is not None:
        return None
    early = _until(capture, layer)
    packing = find_packing(lens, batch, early)
    packed = None if isinstance(packing, Obstacle) else packing
    recorder = _OutputRecorder(batch, early, lens.n_layers, packed.placement if packed else None)
    with torch.no_grad():
        _trace_head(lens, recorder, packed_inputs(lens, packed) if packed else batch.forward_inputs)
    if isinstance(recorder.output, tuple) and len(recorder.output) > 1:
        return None
    return Head(
        lens=lens,
        batch=batch,
        capture=capture,
        layer=layer,
        record=recorder.finish(),
        output=recorder.output,
        tokens=packed.tokens() if packed else _own_tokens(batch),
    )


def go_on(head: Head, intervention: Intervention) -> PassRecord:
    """Run the blocks from a head on with an edit that begins at the head's block.

    Args:
        head: The head of the batch that the intervention was made for.
        intervention: What to do to the residual stream; its first block is the head's.

    Returns:
        The record of `run_pass` with the head's capture and the intervention, to rounding.

    Raises:
        ConfigError: If the intervention names blocks that the model does not have.
        ContractError: If the intervention begins elsewhere, the model does not return attention rows, or
            recorded values are not finite.

    Source: blocks before the first edited one see nothing of the edit.
    """
    if intervention.layers is None or intervention.layers.first != head.layer:
        raise ContractError(
            f"the intervention acts on blocks {intervention.layers}, the head ends at block {head.layer}; "
            "run a head that ends at the first of them"
        )
    intervention.layers.within(head.lens.n_layers)
    tail = _tail(head, intervention)
    return PassRecord(tuple(map(_joined, head.record.samples, tail.samples)))


def _trace_head(lens: Lens, recorder: _OutputRecorder, inputs: Any) -> None:
    with lens.nn.trace(
        **{**inputs, "use_cache": False}, backend=RowsBackend(lens, recorder.request)
    ) as tracer:
        _observe_head(lens, recorder, tracer)


def _observe_head(lens: Lens, recorder: _OutputRecorder, tracer: Any) -> None:
    """The body of a trace: everything up to the last block's output, which is kept."""
    for layer, envoy in enumerate(lens.layers):
        if recorder.wants_attention(layer):
            recorder.on_attention(layer, envoy.self_attn.output[1])
        if layer == recorder.last_layer:
            recorder.output = envoy.output
            tracer.stop()
        elif recorder.wants_block(layer):
            recorder.on_block(layer, lens.family.hidden(envoy.output))


@torch.no_grad()
def _tail(head: Head, intervention: Intervention) -> PassRecord:
    recorder = Recorder(
        head.batch, _after(head.capture, head.layer), head.lens.n_layers, first_layer=head.layer
    )
    stream = intervention(head.stream(), head.layer)
    if recorder.wants_block(head.layer):
        recorder.on_block(head.layer, stream)
    _trace_tail(head, recorder, intervention, head.lens.family.repack(head.output, stream))
    return recorder.finish()


def _trace_tail(head: Head, recorder: Recorder, intervention: Intervention, output: Any) -> None:
    with head.lens.trace(
        recorder.batch,
        attention=recorder.capture.attention,
        queries=recorder.capture.queries,
        logits_to_keep=1,
    ) as tracer:
        _pass_over(head, output)
        observe(head.lens, recorder, intervention, tracer, head.layer + 1)


def _pass_over(head: Head, output: Any) -> None:
    """In a trace: let no block up to the head's run, and hand on an output instead."""
    for envoy in list(head.lens.layers)[: head.layer + 1]:
        envoy.skip(output)


def _until(capture: CaptureSpec, layer: int) -> CaptureSpec:
    """The part of a capture that an edit after a block does not change."""
    attention = _cut(capture.attention, 0, layer)
    return replace(
        capture,
        attention=attention,
        attention_heads=capture.attention_heads and attention is not None,
        residuals=tuple(number for number in capture.residuals if number < layer),
        logits=False,
        stop_after=layer,
    )


def _after(capture: CaptureSpec, layer: int) -> CaptureSpec:
    """The rest of a capture."""
    attention = (
        None if capture.attention is None else _cut(capture.attention, layer + 1, capture.attention.last)
    )
    return replace(
        capture,
        attention=attention,
        attention_heads=capture.attention_heads and attention is not None,
        residuals=tuple(number for number in capture.residuals if number >= layer),
    )


def _cut(layers: LayerRange | None, first: int, last: int) -> LayerRange | None:
    """The blocks of a range that lie in another; None if there are none."""
    if layers is None or layers.first > last or layers.last < first:
        return None
    return LayerRange(max(first, layers.first), min(last, layers.last))


def _joined(head: SampleRecord, tail: SampleRecord) -> SampleRecord:
    layers = [span for span in (head.attention_layers, tail.attention_layers) if span is not None]
    return replace(
        tail,
        resid_norm=_stacked(head.resid_norm, tail.resid_norm),
        attention=_stacked(head.attention, tail.attention),
        attention_layers=LayerRange(layers[0].first, layers[-1].last) if layers else None,
        attention_heads=_stacked(head.attention_heads, tail.attention_heads),
        residuals=head.residuals | tail.residuals,
    )


def _stacked(*parts: Tensor | None) -> Tensor | None:
    """Quantities of earlier and later blocks, one after the other."""
    held = [part for part in parts if part is not None]
    return torch.cat(held) if held else None


def _own_tokens(batch: Batch) -> tuple[Tensor, Tensor]:
    rows = torch.arange(len(batch))[:, None]
    return rows, torch.arange(batch.seq_len).expand(len(batch), -1)
