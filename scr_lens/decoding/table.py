"""The table of all methods, made from what each of them declares."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from scr_lens.decoding.method import Traits
from scr_lens.decoding.registry import DECODERS, make_decoder
from scr_lens.interventions import METHODS, Method
from scr_lens.serialization import to_dict

DRAWN = frozenset({"uniform-smooth", "gaussian-noise", "scrambled"})
"""Interventions whose result depends on a seed."""


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """One line of the table.

    Attributes:
        name: Name in configs and stores.
        kind: "intervention" edits the prompt's residual stream, "decoding" decides every token.
        description: What it does.
        traits: What it costs and needs.
        defaults: Published defaults or, for interventions, none of their own.
    """

    name: str
    kind: Literal["intervention", "decoding"]
    description: str
    traits: Traits
    defaults: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The line as plain values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "description": self.description,
            **asdict(self.traits),
            "defaults": self.defaults,
        }


def method_table() -> tuple[MethodRow, ...]:
    """Every method a run can name: the interventions, then the decoding methods.

    Returns:
        One row per method; "vanilla", which is both, appears once.
    """
    edits = [
        MethodRow(
            name=method.name,
            kind="intervention",
            description=method.description,
            traits=_traits(method),
            defaults={},
        )
        for method in METHODS.values()
    ]
    decoders = [
        MethodRow(
            name=decoder.name,
            kind="decoding",
            description=decoder.description,
            traits=decoder.traits,
            defaults=to_dict(make_decoder(decoder.name)),
        )
        for decoder in DECODERS.values()
        if decoder.name not in METHODS
    ]
    return (*edits, *decoders)


def _traits(method: Method) -> Traits:
    return Traits(
        prefills="1 + diagnostic (up to its last block)" if method.needs_attention else "1",
        attention="diagnostic blocks, text to image, head mean" if method.needs_attention else "none",
        stochastic=method.name in DRAWN,
        fidelity="this project",
    )


def as_markdown(rows: tuple[MethodRow, ...]) -> str:
    """The table for documents and terminals.

    Args:
        rows: Lines of `method_table`.

    Returns:
        A Markdown table, one line per method.
    """
    head = (
        "method",
        "prefills",
        "forwards per token",
        "caches",
        "attention",
        "extra",
        "batch",
        "seed",
        "formula from",
    )
    lines = [head, ("---",) * len(head)]
    for row in rows:
        t = row.traits
        lines.append(
            (
                row.name,
                t.prefills,
                t.forwards_per_token,
                t.caches,
                t.attention,
                t.extra or "-",
                "yes" if t.batched else "row by row",
                "yes" if t.stochastic else "no",
                t.fidelity,
            )
        )
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
