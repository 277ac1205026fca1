"""What the viewer is given: a light index of cards, and apart from it the arrays and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Num

from scr_lens.analysis.entropy import credit_entropy
from scr_lens.config import LayerRange
from scr_lens.errors import ConfigError
from scr_lens.inspection import Inspection, View
from scr_lens.viewer.arrays import ArrayType, Spec, encode
from scr_lens.viewer.exhibit import Exhibit
from scr_lens.viewer.picture import data_uri

FORMAT = "scr_lens viewer"
VERSION = 1
"""Version of the payload; the JavaScript refuses another one."""

LARGEST_SIDE = 768
"""Pictures of an inspection are shrunk to this many pixels."""

MAPS: Mapping[str, tuple[str, str]] = {
    "norm": ("norm of the residual stream", "norm"),
    "attention": ("attention from the text", "probability"),
    "attention_map": ("diagnostic attention map A", "probability"),
    "grad_norm": ("credit: gradient norm times norm", "credit"),
    "grad_dot": ("credit: |gradient · state|", "credit"),
    "ablation": ("credit: patch replaced by the mean", "nats of log-probability"),
}
"""Name and unit of every map, by identifier."""

_UNCHANGING = ("vanilla", "identity")


@dataclass(frozen=True, kw_only=True)
class Payload:
    """What the viewer is given.

    Attributes:
        index: Everything but arrays and pictures: titles, answers, entropies, value ranges.
        arrays: Per card, its passes' maps, sources and neighbors.
        pictures: Data URIs that cards point at by number.
    """

    index: dict[str, Any]
    arrays: tuple[dict[str, Any], ...]
    pictures: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for a widget."""
        return {"index": self.index, "arrays": list(self.arrays), "pictures": list(self.pictures)}


@dataclass(frozen=True, kw_only=True, eq=False)
class PassMaps:
    """What is drawn of one pass.

    Attributes:
        maps: Values [layer, patch] by map identifier.
        sources: Source patches.
        neighbors: Patches that received credit.
    """

    maps: Mapping[str, Num[np.ndarray, "layer patch"]]
    sources: Sequence[int] = ()
    neighbors: Sequence[int] = ()


def inspection_payload(shown: Inspection | Exhibit | Sequence[Inspection | Exhibit]) -> Payload:
    """Builds the payload of one or several inspected images.

    Args:
        shown: Inspections, or exhibits with more credit maps.

    Returns:
        One card per image, in the order given.

    Raises:
        ConfigError: If there is nothing to show.
    """
    given = [shown] if isinstance(shown, Inspection | Exhibit) else list(shown)
    if not given:
        raise ConfigError("no inspections to show: give at least one, made by scr_lens.inspect_image")
    exhibits = [item if isinstance(item, Exhibit) else Exhibit(inspection=item) for item in given]
    first = exhibits[0].inspection
    index = {
        "format": FORMAT,
        "version": VERSION,
        "kind": "inspection",
        "title": (first.title or "untitled image") if len(exhibits) == 1 else f"{len(exhibits)} images",
        "note": next((e.inspection.note for e in exhibits if e.inspection.note), ""),
        "facts": [],
        "conditions": ["before", first.method],
        "maps": describe_maps([name for e in exhibits for name in inspection_passes(e)[0].maps]),
        "cards": [_card(number, item) for number, item in enumerate(exhibits)],
    }
    arrays = tuple(pack(inspection_passes(item), _dtypes(item)) for item in exhibits)
    return Payload(
        index=index, arrays=arrays, pictures=tuple(data_uri(e.picture, LARGEST_SIDE) for e in exhibits)
    )


def inspection_passes(shown: Exhibit) -> tuple[PassMaps, PassMaps]:
    """The maps of an exhibit.

    Args:
        shown: The exhibit.

    Returns:
        The passes before and after the method; the diagnostic map exists before it only.
    """
    found = shown.inspection
    before = {"norm": found.before.resid_norm, "attention": found.before.attention}
    after = {"norm": found.after.resid_norm, "attention": found.after.attention}
    for name, pair in shown.credit.items():
        before[name], after[name] = pair
    before["attention_map"] = found.attention_map[None]
    plan = found.plan
    cells = ([], []) if plan is None else (plan.sources.tolist(), plan.neighbors.tolist())
    return PassMaps(maps=before, sources=cells[0], neighbors=cells[1]), PassMaps(
        maps=after, sources=cells[0], neighbors=cells[1]
    )


def describe_maps(names: Sequence[str]) -> list[dict[str, str]]:
    """Identifier, name and unit of maps, each once, known ones in the order of `MAPS`."""
    order = {name: place for place, name in enumerate(MAPS)}
    distinct = sorted(dict.fromkeys(names), key=lambda name: order.get(name, len(order)))
    labels = {name: MAPS.get(name, (f"credit: {name}", "credit")) for name in distinct}
    return [{"id": name, "label": labels[name][0], "unit": labels[name][1]} for name in distinct]


def ranges(passes: Sequence[PassMaps | None]) -> dict[str, list[list[float]]]:
    """Smallest and largest value of every map per layer, over all passes.

    Args:
        passes: Passes of one card.

    Returns:
        Lows and highs by map identifier, for scales that span many cards without decoding them.
    """
    held = [one.maps for one in passes if one is not None]
    spans = {}
    for name in dict.fromkeys(name for maps in held for name in maps):
        stacked = np.stack([maps[name] for maps in held if name in maps]).astype(np.float64)
        spans[name] = [_short(stacked.min(axis=(0, 2))), _short(stacked.max(axis=(0, 2)))]
    return spans


def pack(passes: Sequence[PassMaps | None], dtypes: Mapping[str, ArrayType]) -> dict[str, Any]:
    """Packs the arrays of a card.

    Args:
        passes: Its passes; the first is the untouched one.
        dtypes: Type per map; float32 where none is named.

    Returns:
        Packed maps, sources and neighbors per pass; a map equal to the first pass's is only referred to.
    """
    packed: list[dict[str, Any] | None] = []
    for one in passes:
        if one is None:
            packed.append(None)
            continue
        maps: dict[str, Spec] = {k: encode(v, dtypes.get(k, "float32")) for k, v in one.maps.items()}
        first = packed[0]["maps"] if packed and packed[0] else {}
        packed.append(
            {
                "maps": {k: {"as": 0} if first.get(k) == spec else spec for k, spec in maps.items()},
                "sources": [int(cell) for cell in one.sources],
                "neighbors": [int(cell) for cell in one.neighbors],
            }
        )
    return {"passes": packed}


def span(layers: LayerRange | None) -> list[int] | None:
    """First and last block of a range as the viewer takes it."""
    return None if layers is None else [layers.first, layers.last]


def _card(number: int, shown: Exhibit) -> dict[str, Any]:
    found = shown.inspection
    return {
        "title": found.title or "untitled image",
        "question": found.prompt,
        "label": None,
        "picture": number,
        "overlay": found.grid.covers(*shown.picture.size),
        "grid": [found.grid.height, found.grid.width],
        "n_layers": found.n_layers,
        "diagnostic": span(found.diagnostic_layers),
        "facts": _facts(shown),
        "ranges": ranges(inspection_passes(shown)),
        "passes": [
            {"name": "before", "acting": None, **_state(found.before), "entropy": _entropy(shown, 0)},
            {
                "name": found.method,
                "acting": None if found.method in _UNCHANGING else span(found.layers),
                **_state(found.after),
                "entropy": _entropy(shown, 1),
            },
        ],
    }


def _state(view: View) -> dict[str, Any]:
    return {"answer": view.answer.answer, "p_yes": view.answer.p_yes, "p_no": view.answer.p_no}


def _entropy(shown: Exhibit, which: int) -> dict[str, list[float | None]]:
    """Normalized entropy per block and map; none for a map with negative credit."""
    found = shown.inspection
    view = (found.before, found.after)[which]
    entropies = {"norm": view.norm_entropy.tolist(), "attention": view.attention_entropy.tolist()}
    for name, pair in shown.credit.items():
        if (pair[which] >= 0).all():
            entropies[name] = [_evenness(values) for values in pair[which]]
    return entropies


def _evenness(values: Num[np.ndarray, " patch"]) -> float | None:
    """Normalized entropy; None where no patch has credit, as gradients have none at the last block."""
    return float(credit_entropy(values, normalize=True)) if values.any() else None


def _facts(shown: Exhibit) -> list[list[str]]:
    found = shown.inspection
    config, plan = found.config, found.plan
    method = found.method
    if method not in _UNCHANGING:
        method += f", λ = {config.lambda_:g}, blocks {found.layers.first}\N{EN DASH}{found.layers.last}"
    facts = [
        ["model", f"{found.model_id}, {found.n_layers} blocks"],
        ["grid", found.tokens],
        ["method", method],
    ]
    if plan is not None:
        each = f"{plan.neighbors_per_source:.1f} neighbors each"
        facts.append(["plan", f"{len(plan.sources)} sources, {each}, topology {config.topology}"])
    if shown.seen is not None:
        facts.append(["picture", "the part that the model's processor cut out"])
    return facts


def _dtypes(shown: Exhibit) -> dict[str, ArrayType]:
    return dict.fromkeys(inspection_passes(shown)[0].maps, "float32")


def _short(values: Num[np.ndarray, " layer"]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
