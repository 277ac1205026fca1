"""The registered attention "scr_rows": SDPA, plus the softmax rows that were asked for and nothing else.

The request lives on a `RowTap` that all attention modules of one language model share. Without a live request
the function is SDPA itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from scr_lens.config import LayerRange, QuerySet
from scr_lens.layout import TokenLayout

ATTN_IMPLEMENTATION = "scr_rows"
TAP_ATTRIBUTE = "scr_row_tap"


@dataclass(frozen=True, kw_only=True, eq=False)
class RowRequest:
    """Which softmax rows and columns a pass wants, per row of the batch.

    Shorter samples are padded: queries by repeating the sample's last query, images by repeating its last
    patch.

    Args:
        layers: Blocks to compute rows at.
        queries: Absolute positions of the query tokens.
        query_is_real: False where `queries` is padding.
        images: Absolute positions of the patches.
        key_length: Length of the key sequence the positions refer to.
        first_query: Smallest query position, kept as a number so that checking it never waits for a device.
    """

    layers: LayerRange
    queries: Int[Tensor, "batch query"]
    query_is_real: Bool[Tensor, "batch query"]
    images: Int[Tensor, "batch patch"]
    key_length: int
    first_query: int

    @classmethod
    def of(cls, layouts: Sequence[TokenLayout], layers: LayerRange, queries: QuerySet) -> "RowRequest":
        """The request for a batch: text queries of each sample against its own patches.

        Args:
            layouts: One layout per row of the batch, all of the same row length.
            layers: Blocks to compute rows at.
            queries: Which text positions ask.

        Returns:
            A request on the CPU.

        Raises:
            LayoutError: If "question" is asked for and a question is empty.
        """
        positions, real = pad_positions([layout.queries(queries) for layout in layouts])
        return cls(
            layers=layers,
            queries=positions,
            query_is_real=real,
            images=pad_positions([layout.image_positions for layout in layouts])[0],
            key_length=layouts[0].seq_len,
            first_query=int(positions.min()),
        )

    def fits(self, layer: int, query: Tensor, key: Tensor) -> bool:
        """Whether an attention call is one that this request was made for."""
        offset = key.shape[2] - query.shape[2]
        return (
            layer in self.layers
            and query.shape[0] == len(self.queries)
            and key.shape[2] == self.key_length
            and offset <= self.first_query
        )


class RowTap:
    """The place where one language model's attention modules look for a request.

    Attributes:
        request: The live request, None outside a pass.
        count: How many attention calls have returned rows so far; proves in tests that the row code ran.
    """

    def __init__(self) -> None:
        self.request: RowRequest | None = None
        self.count = 0

    @contextmanager
    def requesting(self, request: RowRequest | None) -> Iterator[None]:
        """Make a request live inside the context; whatever was live before is back afterwards."""
        before, self.request = self.request, request
        try:
            yield
        finally:
            self.request = before


def pad_positions(
    positions: Sequence[Int[Tensor, "_"]],
) -> tuple[Int[Tensor, "batch longest"], Bool[Tensor, "batch longest"]]:
    """Stack position lists of different lengths, repeating each list's last entry as padding.

    Args:
        positions: One non-empty list per row of the batch.

    Returns:
        The stacked positions, and False where an entry is padding.
    """
    longest = max(len(p) for p in positions)
    padded = torch.stack([torch.cat([p, p[-1:].expand(longest - len(p))]) for p in positions])
    lengths = torch.tensor([len(p) for p in positions])
    return padded, torch.arange(longest)[None] < lengths[:, None]


def scr_rows_attention(
    module: nn.Module,
    query: Float[Tensor, "batch head query d_head"],
    key: Float[Tensor, "batch kv_head key d_head"],
    value: Float[Tensor, "batch kv_head key d_head"],
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, Float[Tensor, "batch head asked patch"] | None]:
    """SDPA's output, and the requested attention probabilities as the second value.

    Args:
        module: The attention module; its tap, if any, holds the request.
        query: Queries after rotary embedding.
        key: Keys after rotary embedding and cache update.
        value: Values.
        attention_mask: None (plain causal), boolean (True = attend) or additive, `[batch, 1, query, key]`.
        **kwargs: What transformers passes to every attention function (`scaling`, `dropout`, `is_causal`,
            ...).

    Returns:
        The attention output exactly as SDPA returns it; float32 probabilities in [0, 1] of the requested rows
        at the requested columns, or None without a matching live request.

    Source: transformers `AttentionInterface`; rows are what eager attention would hold at those positions.
    """
    output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    tap = getattr(module, TAP_ATTRIBUTE, None)
    request = tap.request if isinstance(tap, RowTap) else None
    if tap is None or request is None or not request.fits(int(module.layer_idx), query, key):  # type: ignore[arg-type]
        return output, None
    tap.count += 1
    causal = kwargs.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    return output, attention_rows(
        query, key, attention_mask, request, kwargs.get("scaling"), is_causal=causal
    )


@torch.no_grad()
def attention_rows(
    query: Float[Tensor, "batch head query d_head"],
    key: Float[Tensor, "batch kv_head key d_head"],
    attention_mask: Tensor | None,
    request: RowRequest,
    scaling: float | None,
    *,
    is_causal: bool,
) -> Float[Tensor, "batch head asked patch"]:
    """Softmax rows of the requested queries, over all keys, at the requested image columns.

    p[b, h, q, i] = softmax_k(scaling <q_bhq, k_bhk> + mask_bqk)[image_i]

    Args:
        query: Queries of the whole call.
        key: Keys of the whole call; with fewer heads than queries each serves a group (GQA), without
            expansion.
        attention_mask: None, boolean or additive.
        request: Positions to compute.
        scaling: Factor on the scores; None means d_head ** -0.5.
        is_causal: Whether SDPA applies its causal rule when there is no mask.

    Returns:
        Probabilities in [0, 1]; a row sums to at most 1, the rest went to other keys.
    """
    queries, images = request.queries.to(query.device), request.images.to(query.device)
    batch = torch.arange(len(queries), device=query.device)[:, None]
    causal = is_causal and attention_mask is None and query.shape[2] > 1
    # Without a mask SDPA aligns a causal query block with the first keys; otherwise it is the tail of the
    # keys.
    rows = queries if causal else queries - (key.shape[2] - query.shape[2])
    selected = query[batch, :, rows].transpose(1, 2)
    scores = _grouped_scores(selected, key) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if causal:
        future = torch.arange(key.shape[2], device=key.device) > rows[:, :, None]
        scores = scores.masked_fill(future[:, None], torch.finfo(scores.dtype).min)
    elif attention_mask is not None:
        scores = _masked(scores, attention_mask, batch, rows)
    probabilities = torch.softmax(scores, dim=-1, dtype=torch.float32)
    columns = images[:, None, None, :].expand(*probabilities.shape[:3], -1)
    return probabilities.gather(-1, columns)


def _grouped_scores(
    query: Float[Tensor, "b h q d"], key: Float[Tensor, "b g k d"]
) -> Float[Tensor, "b h q k"]:
    """Dot products where consecutive query heads share a key head."""
    batch, heads, asked, width = query.shape
    grouped = query.reshape(batch, key.shape[1], -1, width)
    return (grouped @ key.transpose(2, 3)).reshape(batch, heads, asked, key.shape[2])


def _masked(scores: Float[Tensor, "b h q k"], mask: Tensor, batch: Tensor, rows: Tensor) -> Tensor:
    """Apply the rows of a 4-D boolean or additive mask to the scores of those rows."""
    wide = mask.expand(scores.shape[0], -1, -1, -1)[..., : scores.shape[-1]]
    picked = wide[batch, :, rows].transpose(1, 2)
    if picked.dtype == torch.bool:
        return scores.masked_fill(~picked, torch.finfo(scores.dtype).min)
    return scores + picked


def register() -> None:
    """Make "scr_rows" known to transformers.

    SDPA's mask is registered under the same name: without it padding would be ignored silently.
    """
    AttentionInterface.register(ATTN_IMPLEMENTATION, scr_rows_attention)
    AttentionMaskInterface.register(ATTN_IMPLEMENTATION, sdpa_mask)


def attach_tap(attention_modules: Sequence[nn.Module]) -> RowTap:
    """Give the modules one shared tap, keeping the one they already have.

    Args:
        attention_modules: The attention modules of one language model.

    Returns:
        The tap on which a request reaches all of them.
    """
    existing = getattr(attention_modules[0], TAP_ATTRIBUTE, None)
    tap = existing if isinstance(existing, RowTap) else RowTap()
    for module in attention_modules:
        setattr(module, TAP_ATTRIBUTE, tap)
    return tap
