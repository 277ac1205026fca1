"""The untouched pass with an image's computation shared by all its questions.

Under a causal mask, image tokens and what precedes them do not see the question. So the questions of an image
are laid behind one copy of their common prefix, in one row; a mask lets each see the prefix and itself, and
every token keeps the position it has in its own prompt. The row runs through the nnsight model like any
other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from scr_lens.errors import ContractError
from scr_lens.interventions.base import Identity
from scr_lens.trace.attention import ATTN_IMPLEMENTATION
from scr_lens.trace.capture import CaptureSpec
from scr_lens.trace.features import FEATURES, encode_images
from scr_lens.trace.model import Lens, RowsBackend
from scr_lens.trace.packing import Packing, pack, sample_inputs, token_inputs
from scr_lens.trace.passes import observe, run_pass
from scr_lens.trace.record import PassRecord
from scr_lens.trace.recorder import Recorder
from scr_lens.trace.sample import Batch


@dataclass(frozen=True)
class Obstacle:
    """Why the questions of a batch cannot share their images.

    Attributes:
        reason: A clause for the end of a sentence.
    """

    reason: str


def untouched_pass(lens: Lens, batch: Batch, capture: CaptureSpec) -> PassRecord:
    """`run_pass` without an intervention, with images shared where that is exact and saves something.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.
        capture: What to record.

    Returns:
        The record of `run_pass(lens, batch, capture)`, to rounding.

    Raises:
        ConfigError: If the capture names blocks that the model does not have.
        ContractError: If the model does not return attention rows, or recorded values are not finite.
    """
    packing = find_packing(lens, batch, capture)
    if isinstance(packing, Obstacle):
        return run_pass(lens, batch, capture)
    return _run(lens, batch, capture, packing)


def run_pass_shared(lens: Lens, batch: Batch, capture: CaptureSpec) -> PassRecord:
    """The record of `run_pass` without an intervention, from one row per image instead of one per question.

    Samples share when they have the same image object and equal tokens, at equal positions, up to the image's
    last.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.
        capture: What to record; no gradients.

    Returns:
        One record per sample, in the batch's order and with the batch's layouts; equal to `run_pass`'s to
        rounding.

    Raises:
        ContractError: If sharing is not exact or saves nothing; the message says why.
        ConfigError: If the capture names blocks that the model does not have.

    Source: the causal mask; transformers returns a 4-D attention mask as it is.
    """
    packing = find_packing(lens, batch, capture)
    if isinstance(packing, Obstacle):
        raise ContractError(f"these questions cannot share images: {packing.reason}; use run_pass")
    return _run(lens, batch, capture, packing)


def find_packing(lens: Lens, batch: Batch, capture: CaptureSpec) -> Packing | Obstacle:
    """How the samples of a batch share their images, or why they do not.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.
        capture: What is to be recorded.

    Returns:
        The packing, which runs fewer tokens than the batch; else the obstacle.
    """
    if capture.gradients:
        return Obstacle("gradients of one question's answer would mix with another's")
    if len({id(sample.image) for sample in batch.samples}) == len(batch):
        return Obstacle("every sample has an image of its own, there is nothing to save")
    encoded = encode_images(lens, batch)
    if obstacle := _obstacle_in_model(lens) or _obstacle_in_inputs(encoded):
        return obstacle
    packing = pack(encoded)
    if packing.n_tokens >= len(batch) * batch.seq_len:
        return Obstacle("too few samples have a prefix in common, there is nothing to save")
    return packing


def _obstacle_in_model(lens: Lens) -> Obstacle | None:
    if lens.attn_implementation != ATTN_IMPLEMENTATION:
        return Obstacle(
            f"the model runs with attention {lens.attn_implementation!r}, not {ATTN_IMPLEMENTATION!r}"
        )
    if lens.nn._edits or lens.tap.edit is not None:
        return Obstacle("an edit made for the rows of the batch is active on the model")
    kinds = getattr(lens.family.text_config(lens.config), "layer_types", None) or ()
    if any("full" not in kind for kind in kinds):
        return Obstacle(f"some blocks attend in another way than causally ({', '.join(sorted(set(kinds)))})")
    return None


def _obstacle_in_inputs(batch: Batch) -> Obstacle | None:
    inputs = batch.forward_inputs
    if "position_ids" not in inputs:
        return Obstacle("the family leaves positions to the model")
    known = {*token_inputs(inputs), *sample_inputs(inputs), "attention_mask", FEATURES}
    if unknown := sorted(set(inputs) - known):
        return Obstacle(f"input {unknown[0]!r} is neither per token nor per sample")
    return None


def _run(lens: Lens, batch: Batch, capture: CaptureSpec, packing: Packing) -> PassRecord:
    recorder = Recorder(batch, capture, lens.n_layers, packing.placement)
    with torch.no_grad():
        _trace(lens, recorder, packed_inputs(lens, packing))
    return recorder.finish()


def _trace(lens: Lens, recorder: Recorder, inputs: Mapping[str, Any]) -> None:
    with lens.nn.trace(**inputs, use_cache=False, backend=RowsBackend(lens, recorder.request)) as tracer:
        observe(lens, recorder, Identity(), tracer)


def packed_inputs(lens: Lens, packing: Packing) -> Mapping[str, Any]:
    """Inputs of a forward pass over packed rows, which keeps the logits of every slot's last token.

    Args:
        lens: The model.
        packing: The rows.

    Returns:
        Keyword arguments of the model's forward.
    """
    inputs = packing.forward_inputs() | {"logits_to_keep": packing.answers}
    if FEATURES not in inputs:
        return inputs
    features = inputs[FEATURES]["image"].pooler_output
    return lens.family.with_image_features(inputs, [features[first] for first in packing.placement.firsts])
