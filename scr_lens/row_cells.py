"""The cells of a stored row, from what was asked and what was measured."""

from __future__ import annotations

from typing import Any

from scr_lens.analysis.entropy import credit_entropy
from scr_lens.errors import DataError, ScrLensError
from scr_lens.questions import Question
from scr_lens.store import to_table
from scr_lens.trace import SampleRecord

Row = dict[str, Any]

MEASURED = frozenset(
    {"answer", "answer_text", "p_yes", "p_no", "attention", "resid_norm"}
    | {"entropy_norm_nats", "entropy_attention_nats"}
)
"""Columns that a failed row leaves empty."""


def accepted(row: Row) -> Row:
    """The row, or its failed form if it does not fit the store's schema."""
    try:
        to_table([row])
    except DataError as error:
        kept = {name: cell for name, cell in row.items() if name not in MEASURED}
        return {**kept, "status": "failed", "error": str(error)}
    return row


def asked(question: Question) -> Row:
    """What was asked."""
    return {
        "image_id": question.image_id,
        "question": question.text if question.label else None,
        "object": question.object or None,
        "label": question.label,
        "splits": list(question.splits),
    }


def planned(plan: Any) -> Row:
    """Sources and neighbors of a redistribution; nothing without one."""
    if plan is None:
        return {}
    return {
        "sources": plan.sources.numpy(),
        "neighbors": plan.neighbors.numpy(),
        "neighbors_per_source": plan.neighbors_per_source,
    }


def measured(record: SampleRecord, answer: Row) -> Row:
    """Maps, entropies and the answer, with the status: failed if the maps are not usable.

    Args:
        record: What the pass recorded.
        answer: The answer columns.

    Returns:
        Cells by column.

    Raises:
        ScrLensError: If norms or attention were not captured.
    """
    if record.resid_norm is None or record.attention is None:
        raise ScrLensError("a run captures norms and attention; this pass did not")
    grid = record.layout.grid
    norms, attention = record.resid_norm.numpy(), record.attention.mean(0).numpy()
    maps = {"grid_h": grid.height, "grid_w": grid.width, "n_layers": len(norms)}
    try:
        entropies = {
            "entropy_norm_nats": credit_entropy(norms, normalize=False),
            "entropy_attention_nats": float(credit_entropy(attention, normalize=False)),
        }
    except DataError as error:
        return {**maps, "status": "failed", "error": str(error)}
    return {**maps, "status": "ok", "attention": attention, "resid_norm": norms, **entropies, **answer}
