"""Greedy text with an intervention at prefill, where image tokens are processed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from scr_lens.errors import ConfigError
from scr_lens.interventions.base import Identity, Intervention
from scr_lens.trace.editing import apply
from scr_lens.trace.features import FEATURES
from scr_lens.trace.model import Lens, RowsBackend
from scr_lens.trace.sample import Batch


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A generated answer.

    Attributes:
        text: The new tokens as text, without special tokens and outer spaces.
        token_ids: The new tokens, up to and including the end-of-sequence token if there is one.
    """

    text: str
    token_ids: tuple[int, ...]


def generate(
    lens: Lens,
    batch: Batch,
    intervention: Intervention = Identity(),  # noqa: B008 - frozen
    max_new_tokens: int = 64,
    **options: Any,
) -> tuple[Generated, ...]:
    """Generate text, greedily by default, with an intervention active at prefill only.

    Later steps see the edit through the key-value cache; no decode step is touched.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`; features from `encode_images` are used.
        intervention: What to do to the residual stream at prefill.
        max_new_tokens: Upper limit of new tokens, at least 1.
        **options: Passed on to transformers' `generate`, such as `do_sample=True`.

    Returns:
        One answer per sample; with `Identity()` the token ids of plain transformers.

    Raises:
        ConfigError: If `max_new_tokens` is below 1, or the intervention names blocks the model does not have.

    Source: SCR paper, Sec. 3.2 (redistribution at prefill).
    """
    if max_new_tokens < 1:
        raise ConfigError(f"max_new_tokens is {max_new_tokens}; give at least 1")
    if intervention.layers is not None:
        intervention.layers.within(lens.n_layers)
    settings = {"do_sample": False, "num_beams": 1, **options, "max_new_tokens": max_new_tokens}
    with torch.no_grad():
        ids = _generate_ids(lens, batch, intervention, settings).cpu()
    ends = _end_ids(lens)
    new_ids = [_until_end(row, ends) for row in ids[:, batch.seq_len :].tolist()]
    decode = lens.processor.tokenizer.decode
    return tuple(
        Generated(text=decode(row, skip_special_tokens=True).strip(), token_ids=tuple(row)) for row in new_ids
    )


def _inputs(batch: Batch, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The encoding, with image features in place of pixels where the batch has them.

    Several sequences per sample are begun from pixels: transformers repeats those, and features only where it
    knows how a family lays them out.
    """
    several = any((settings.get(name) or 1) > 1 for name in ("num_beams", "num_return_sequences"))
    if several or FEATURES not in batch.forward_inputs:
        return batch.encoding
    rest = {name: value for name, value in batch.encoding.items() if name in batch.forward_inputs}
    return {**rest, FEATURES: dict(batch.forward_inputs[FEATURES])}


def _generate_ids(
    lens: Lens, batch: Batch, intervention: Intervention, settings: dict[str, Any]
) -> Int[Tensor, "batch seq"]:
    with lens.nn.trace(
        fn=lens.nn.generate, backend=RowsBackend(lens, None), **_inputs(batch, settings), **settings
    ) as tracer:
        apply(lens, intervention)
        ids = tracer.result.save()
    return ids  # noqa: RET504 - nnsight binds the name when the block ends


def _end_ids(lens: Lens) -> tuple[int, ...]:
    ends = lens.hf_model.generation_config.eos_token_id
    return () if ends is None else tuple(ends) if isinstance(ends, (list, tuple)) else (int(ends),)


def _until_end(ids: list[int], ends: tuple[int, ...]) -> list[int]:
    """Cut a row after its first end-of-sequence token; what follows is padding."""
    stop = next((i for i, token in enumerate(ids) if token in ends), len(ids) - 1)
    return ids[: stop + 1]
