"""`run_pass`: the only function that runs a model for analysis."""

from typing import Any

import torch

from scr_lens.interventions.base import Identity, Intervention
from scr_lens.trace.capture import CaptureSpec
from scr_lens.trace.editing import edit_envoy
from scr_lens.trace.model import Lens
from scr_lens.trace.record import PassRecord
from scr_lens.trace.recorder import Recorder
from scr_lens.trace.sample import Batch


def run_pass(
    lens: Lens,
    batch: Batch,
    capture: CaptureSpec | None = None,
    intervention: Intervention = Identity(),  # noqa: B008 - frozen
) -> PassRecord:
    """Run one forward pass, with an intervention, and bring back what the capture asks for.

    "Before" and "after" are this one function; `Identity()` writes nothing into the model, so its record is
    bitwise that of the plain model.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.
        capture: What to record; by default the norms of every block and the logits.
        intervention: What to do to the residual stream.

    Returns:
        One record per sample, on the CPU; residual quantities are after the intervention.

    Raises:
        ConfigError: If capture or intervention name blocks that the model does not have.
        ContractError: If the model does not return attention rows, or recorded values are not finite.
    """
    recorder = Recorder(batch, capture or CaptureSpec(), lens.n_layers)
    if intervention.layers is not None:
        intervention.layers.within(lens.n_layers)
    with torch.set_grad_enabled(recorder.capture.gradients):
        _trace(lens, recorder, intervention)
    return recorder.finish()


def _trace(lens: Lens, recorder: Recorder, intervention: Intervention) -> None:
    with lens.trace(
        recorder.batch,
        attention=recorder.capture.attention,
        queries=recorder.capture.queries,
        logits_to_keep=1,
    ) as tracer:
        observe(lens, recorder, intervention, tracer)


def observe(
    lens: Lens, recorder: Recorder, intervention: Intervention, tracer: Any, first_layer: int = 0
) -> None:
    """The body of a trace: visit the blocks in execution order, then the logits.

    Args:
        lens: The lens that is being traced.
        recorder: Takes what the capture asks for.
        intervention: Applied at its blocks.
        tracer: The trace, stopped after the last block that is asked for.
        first_layer: Block to begin at; earlier ones are passed over.
    """
    edited = intervention.layers.layers if intervention.layers is not None else range(0)
    for layer, envoy in list(enumerate(lens.layers))[first_layer:]:
        if layer == 0 and recorder.capture.gradients:
            start_graph(envoy.input)
        if recorder.wants_attention(layer):
            recorder.on_attention(layer, envoy.self_attn.output[1])
        if recorder.wants_block(layer) or layer in edited:
            hidden = edit_envoy(lens, intervention, layer)
            if recorder.wants_block(layer):
                recorder.on_block(layer, hidden)
        if layer == recorder.capture.stop_after:
            tracer.stop()
    recorder.on_logits(lens.nn.output.logits)


def start_graph(embeddings: torch.Tensor) -> None:
    """Start the autograd graph at the first block's input, so that no image tower is in it."""
    if not embeddings.requires_grad:
        embeddings.requires_grad_(True)
