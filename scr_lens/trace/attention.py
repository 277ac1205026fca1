"""The registered attention "scr_rows": SDPA, plus the softmax rows that were asked for and nothing else.

The request lives on a `RowTap` that all attention modules of one language model share. Without a live request
the function is SDPA itself. An `AttentionEdit` on the same tap changes probabilities before they are used.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from scr_lens.trace.row_request import RowRequest as RowRequest
from scr_lens.trace.scores import Scores

ATTN_IMPLEMENTATION = "scr_rows"
TAP_ATTRIBUTE = "scr_row_tap"


class AttentionEdit(Protocol):
    """A change of attention probabilities between the softmax and the values."""

    @property
    def request(self) -> RowRequest:
        """The blocks and the queries whose probabilities are changed, and the patches they may look at."""

    def __call__(
        self, probabilities: Float[Tensor, "batch head asked key"]
    ) -> Float[Tensor, "batch head asked key"]:
        """Change the probabilities of some queries over all keys.

        Args:
            probabilities: Softmax rows, of the request's queries or of any other set of text queries.

        Returns:
            Rows with the same sums.
        """


class RowTap:
    """The place where one language model's attention modules look for a request.

    Attributes:
        request: The live request, None outside a pass.
        edit: The live change of attention, None unless `editing` is active.
        count: How many attention calls have returned rows so far; proves in tests that the row code ran.
        edited: How many attention calls an edit has changed so far.
    """

    def __init__(self) -> None:
        self.request: RowRequest | None = None
        self.edit: AttentionEdit | None = None
        self.count = 0
        self.edited = 0

    @contextmanager
    def editing(self, edit: AttentionEdit) -> Iterator[None]:
        """Make a change of attention live inside the context, then whatever was live before."""
        before, self.edit = self.edit, edit
        try:
            yield
        finally:
            self.edit = before

    @contextmanager
    def requesting(self, request: RowRequest | None) -> Iterator[None]:
        """Make a request live inside the context; whatever was live before is back afterwards."""
        before, self.request = self.request, request
        try:
            yield
        finally:
            self.request = before


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
    if not isinstance(tap, RowTap) or (tap.request is None and tap.edit is None):
        return output, None
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    causal = kwargs.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    scores = Scores(query, key, attention_mask, kwargs.get("scaling"), causal)
    edit = tap.edit if tap.edit is not None and tap.edit.request.fits(layer, query, key) else None
    if edit is not None:
        tap.edited += 1
        output = edited_output(output, scores, value, edit)
    if tap.request is None or not tap.request.fits(layer, query, key):
        return output, None
    tap.count += 1
    return output, requested_rows(scores, tap.request, edit)


def edited_output(
    output: Float[Tensor, "batch query head d_head"],
    scores: Scores,
    value: Float[Tensor, "batch kv_head key d_head"],
    edit: AttentionEdit,
) -> Float[Tensor, "batch query head d_head"]:
    """SDPA's output with the edit's queries reading by the changed probabilities.

    o_q <- o_q + sum_k (p'_qk - p_qk) v_k, so that an edit that changes nothing adds exact zeros.

    Args:
        output: What SDPA returned.
        scores: The call.
        value: Values of the call.
        edit: The change.

    Returns:
        A new tensor; rows of other queries are bitwise those of `output`.
    """
    queries = edit.request.queries.to(output.device)
    plain = scores.probabilities(queries)
    change = edit(plain) - plain
    batch, heads, asked, keys = change.shape
    grouped = change.reshape(batch, value.shape[1], -1, keys).to(value.dtype) @ value
    added = grouped.reshape(batch, heads, asked, -1).transpose(1, 2)
    index = torch.arange(batch, device=output.device)[:, None], scores.rows(queries)
    result = output.clone()
    result[index] = output[index] + added
    return result


@torch.no_grad()
def requested_rows(
    scores: Scores, request: RowRequest, edit: AttentionEdit | None = None
) -> Float[Tensor, "batch head asked patch"]:
    """Rows of a request as the model used them, at the requested image columns.

    Args:
        scores: The call.
        request: Positions to compute.
        edit: The change that is live in this call.

    Returns:
        Probabilities in [0, 1] after the edit.
    """
    probabilities = scores.probabilities(request.queries.to(scores.query.device))
    used = probabilities if edit is None else edit(probabilities)
    images = request.images.to(scores.query.device)
    return used.gather(-1, images[:, None, None, :].expand(*used.shape[:3], -1))


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
    return requested_rows(Scores(query, key, attention_mask, scaling, is_causal), request)


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
