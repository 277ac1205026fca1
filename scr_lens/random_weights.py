"""A published model of true size with random weights, as a lens: for checks and costs, never for answers."""

import torch

from scr_lens.errors import ConfigError, unknown_name
from scr_lens.families import family_for
from scr_lens.families.published import PublishedModel, build_published, read_published
from scr_lens.trace import Lens, wrap
from scr_lens.trace.device import find_device

DTYPES = ("float32", "bfloat16", "float16")


def published_lens(
    name: str,
    *,
    dtype: str,
    device: str | None = None,
    n_layers: int | None = None,
    distinct_blocks: int | None = None,
) -> Lens:
    """A published model of true size with random weights, ready to be looked at.

    Args:
        name: One of `families.published.PUBLISHED`.
        dtype: "float32", "bfloat16" or "float16".
        device: Where to make it; None takes a CUDA device if there is one.
        n_layers: Decoder blocks to keep; None keeps all.
        distinct_blocks: Blocks with weights of their own, which the others repeat; None gives every block its
            own.

    Returns:
        The lens, whose answers mean nothing.

    Raises:
        ConfigError: If the model, number type or device is unknown, or blocks are out of range.
    """
    if dtype not in DTYPES:
        raise ConfigError(unknown_name("dtype", dtype, DTYPES))
    facts = read_published(name)
    model, processor = build_published(
        facts,
        dtype=getattr(torch, dtype),
        device=find_device(device),
        n_layers=n_layers,
        distinct_blocks=distinct_blocks,
    )
    depth = family_for(model.config.model_type).text_config(model.config).num_hidden_layers
    short = shortcuts(depth, published_depth(facts), distinct_blocks or depth)
    return wrap(model, processor, model_id=f"{name}, random weights{short}")


def shortcuts(n_layers: int, published_layers: int, distinct_blocks: int) -> str:
    """What a model lacks of the published one, for its description.

    Args:
        n_layers: Decoder blocks that it has.
        published_layers: Decoder blocks of the published model.
        distinct_blocks: Blocks with weights of their own.

    Returns:
        Empty if it lacks nothing.
    """
    text = ""
    if n_layers < published_layers:
        text += f"; CUT to {n_layers} of {published_layers} blocks, not the published model"
    if distinct_blocks < n_layers:
        text += f"; blocks REPEAT the weights of the first {distinct_blocks}"
    return text


def published_depth(facts: PublishedModel) -> int:
    """Decoder blocks of a published model."""
    return int(facts.config.get("text_config", facts.config)["num_hidden_layers"])
