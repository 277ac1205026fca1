"""The same pass with plain torch hooks and no nnsight: the oracle of the tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from scr_lens.interventions.base import Identity, Intervention
from scr_lens.trace.capture import CaptureSpec
from scr_lens.trace.editing import edit_block
from scr_lens.trace.model import Lens, resolve
from scr_lens.trace.passes import start_graph
from scr_lens.trace.record import PassRecord
from scr_lens.trace.recorder import Recorder
from scr_lens.trace.sample import Batch


class _StopError(Exception):
    """Ends the forward pass after the last wanted block."""


def run_pass_with_hooks(
    lens: Lens,
    batch: Batch,
    capture: CaptureSpec | None = None,
    intervention: Intervention = Identity(),  # noqa: B008 - frozen
) -> PassRecord:
    """Do what `run_pass` does with forward hooks on the bare model; edits made by `Lens.edited` do not apply.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.
        capture: What to record; by default the norms of every block and the logits.
        intervention: What to do to the residual stream.

    Returns:
        The record; equal to `run_pass`'s to the last bit on one machine.

    Raises:
        ConfigError: If capture or intervention name blocks that the model does not have.
        ContractError: If the model does not return attention rows, or recorded values are not finite.
    """
    recorder = Recorder(batch, capture or CaptureSpec(), lens.n_layers)
    if intervention.layers is not None:
        intervention.layers.within(lens.n_layers)
    inputs = batch.inputs_on(lens.device)
    with (
        lens.lock,
        lens.tap.requesting(recorder.request),
        torch.set_grad_enabled(recorder.capture.gradients),
        hooked(lens, recorder, intervention),
    ):
        try:
            output = lens.hf_model(**inputs, use_cache=False, logits_to_keep=1)
            recorder.on_logits(output.logits)
        except _StopError:
            pass
    return recorder.finish()


@contextmanager
def hooked(lens: Lens, recorder: Recorder, intervention: Intervention) -> Iterator[None]:
    """Hooks on every block for the duration of the context.

    Args:
        lens: The model.
        recorder: Where the hooks report.
        intervention: What the hooks apply.

    Yields:
        Nothing; the hooks are removed at the end.
    """
    with ExitStack() as handles:
        for layer, block in enumerate(resolve(lens.hf_model, lens.family.layers_path)):
            if layer == 0 and recorder.capture.gradients:
                pre = block.register_forward_pre_hook(_start_graph, with_kwargs=True)
                handles.callback(pre.remove)
            if recorder.wants_attention(layer):
                seen = block.self_attn.register_forward_hook(_attention_hook(recorder, layer))
                handles.callback(seen.remove)
            after = block.register_forward_hook(_block_hook(lens, recorder, intervention, layer))
            handles.callback(after.remove)
        yield


def _start_graph(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    start_graph(args[0] if args else kwargs["hidden_states"])


def _attention_hook(recorder: Recorder, layer: int) -> Callable[..., None]:
    def hook(_: nn.Module, _args: Any, output: Any) -> None:
        recorder.on_attention(layer, output[1])

    return hook


def _block_hook(lens: Lens, recorder: Recorder, intervention: Intervention, layer: int) -> Callable[..., Any]:
    def hook(_: nn.Module, _args: Any, output: Any) -> Any:
        edited, hidden = edit_block(lens.family, intervention, output, layer)
        if recorder.wants_block(layer):
            recorder.on_block(layer, hidden)
        if layer == recorder.capture.stop_after:
            raise _StopError
        return edited

    return hook
