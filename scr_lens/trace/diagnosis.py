"""The diagnostic pass: one attention map per sample, and the pass stops as soon as it is known."""

import torch
from jaxtyping import Float
from torch import Tensor

from scr_lens.config import DiagnosticConfig
from scr_lens.errors import ContractError
from scr_lens.trace.capture import CaptureSpec
from scr_lens.trace.model import Lens
from scr_lens.trace.sample import Batch, Sample
from scr_lens.trace.shared_prefix import untouched_pass


def diagnose(
    lens: Lens,
    batch: Batch,
    config: DiagnosticConfig = DiagnosticConfig(),  # noqa: B008 - frozen
) -> tuple[Float[Tensor, "patch"], ...]:
    """Attention from text to every patch, averaged over the diagnostic blocks, heads and queries.

    A_i = mean over (layer, head, query) of attn_probs[layer][head, query, image_i]

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.
        config: Blocks, queries, head subset, and whether the map belongs to the question or to the image.

    Returns:
        One map per sample in float32 on the CPU, entries in [0, 1]; with the head subset the mean runs over
        the chosen (layer, head) pairs only.

    Raises:
        ConfigError: If the blocks do not fit the model.
        LayoutError: If "question" queries are asked for and a question is empty.

    Source: SCR paper, Sec. 3.1 and 6.1d; per-image diagnosis: version 2 of the paper.
    """
    if config.diagnose_per == "image":
        return _per_image(lens, batch, config)
    return _maps(lens, batch, config)


def _per_image(lens: Lens, batch: Batch, config: DiagnosticConfig) -> tuple[Tensor, ...]:
    """One map per distinct image, from the fixed prompt, handed to every sample with that image."""
    keys = [sample.image_digest for sample in batch.samples]
    first = {key: keys.index(key) for key in dict.fromkeys(keys)}
    images = [Sample(batch.samples[i].image, question=config.image_prompt) for i in first.values()]
    maps = dict(zip(first, _maps(lens, lens.prepare(images), config), strict=True))
    return tuple(maps[key].clone() for key in keys)


def _maps(lens: Lens, batch: Batch, config: DiagnosticConfig) -> tuple[Tensor, ...]:
    layers = config.resolved_layers(lens.n_layers)
    capture = CaptureSpec(
        resid_norms=False,
        attention=layers,
        queries=config.queries,
        attention_heads=config.head_share < 1,
        logits=False,
        stop_after=layers.last,
    )
    records = untouched_pass(lens, batch, capture).samples
    if config.head_share == 1:
        return tuple(_present(record.attention).mean(0) for record in records)
    return tuple(strongest_heads(_present(record.attention_heads), config.head_share) for record in records)


def strongest_heads(attention: Float[Tensor, "layer head patch"], share: float) -> Float[Tensor, "patch"]:
    """Mean map of the (layer, head) pairs with the most attention on the image.

    Args:
        attention: Attention per block and head.
        share: Share in (0, 1] of the pairs to keep; at least one pair is kept.

    Returns:
        The mean over the kept pairs; ties go to the lower block, then the lower head.

    Source: SCR paper, Sec. 6.1d (20% of the heads keep 95% of the gain).
    """
    pairs = attention.flatten(0, 1)
    keep = max(1, round(share * len(pairs)))
    order = torch.sort(pairs.sum(-1), descending=True, stable=True).indices
    return pairs[order[:keep]].mean(0)


def _present(values: Tensor | None) -> Tensor:
    if values is None:
        raise ContractError("the diagnostic pass recorded no attention; load the model with scr_lens.load")
    return values
