"""Image features computed once per picture and shared by all its questions and all passes over them."""

from dataclasses import replace

import torch

from scr_lens.trace.model import Lens
from scr_lens.trace.sample import Batch

FEATURES = "mm_encoder_outputs"
"""Name of the forward input that holds image features."""


def encode_images(lens: Lens, batch: Batch) -> Batch:
    """Run the image tower once per distinct picture of a batch.

    Passes over the returned batch start from the features; nothing else changes. Pictures are told apart by
    identity: samples that share one PIL image share its features.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.

    Returns:
        The batch with features in place of pixels; the batch itself if it has them already, or the family
        cannot take features.
    """
    if FEATURES in batch.forward_inputs:
        return batch
    rows: dict[int, int] = {}
    owners = [rows.setdefault(id(sample.image), row) for row, sample in enumerate(batch.samples)]
    first = sorted(rows.values())
    with lens.lock, torch.no_grad():
        features = lens.family.image_features(lens.hf_model, batch.encoding, first)
    if features is None:
        return batch
    by_row = dict(zip(first, features, strict=True))
    inputs = lens.family.with_image_features(batch.forward_inputs, [by_row[row] for row in owners])
    return replace(batch, forward_inputs=inputs)
