"""The rows of a stored run as a gallery needs them: all answers, and the maps of the questions shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scr_lens.config import PAPER_SCR_LAYERS, DiagnosticConfig, LayerRange, ScrConfig
from scr_lens.errors import ScrLensError
from scr_lens.grid import PatchGrid
from scr_lens.serialization import from_dict
from scr_lens.store import COLUMNS
from scr_lens.store.frames import to_frame
from scr_lens.store.manifest import read_manifests
from scr_lens.store.reader import load_shard, run_folder
from scr_lens.viewer.payload import PassMaps

_MAPS = ("sources", "neighbors", "attention", "resid_norm")
LIGHT_COLUMNS = tuple(column.name for column in COLUMNS if column.name not in _MAPS)
"""Everything but the maps."""

_HEAVY_COLUMNS = ("key", "status", "n_layers", *_MAPS)
_UNCHANGING = ("vanilla", "identity")


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredQuestion:
    """One question of a run under every condition.

    Attributes:
        rows: Its row per condition, without maps.
        maps: Its maps per condition.
    """

    rows: Mapping[str, Any]
    maps: Mapping[str, PassMaps]

    @property
    def first(self) -> Any:
        """Any row: what it says of image and question holds for all."""
        return next(iter(self.rows.values()))

    @property
    def grid(self) -> PatchGrid:
        """The patch grid."""
        return PatchGrid(int(self.first.grid_h), int(self.first.grid_w))


def read_maps(run: str | Path, keys: set[str]) -> dict[str, PassMaps]:
    """Reads the maps of some rows, shard by shard, so that a large run never lies in memory as a whole.

    Args:
        run: Run directory.
        keys: Keys of rows with status "ok".

    Returns:
        Maps by key; `norm` [layer, patch] in float16 as stored, `attention_map` [1, patch].

    Raises:
        StoreError: If a shard is missing or damaged.
    """
    folder = run_folder(run)
    found: dict[str, PassMaps] = {}
    for entry in read_manifests(folder):
        table = load_shard(folder, entry, _HEAVY_COLUMNS)
        pairs = zip(table.column("key").to_pylist(), table.column("status").to_pylist(), strict=True)
        places = [k for k, (key, status) in enumerate(pairs) if key in keys and status == "ok"]
        if places:
            frame = to_frame(table.take(places))
            found |= {str(row.key): _maps(row) for row in frame.itertuples()}
    return found


def acting_layers(name: str, config_json: str, n_layers: int) -> LayerRange | None:
    """The blocks at which a condition acts, as far as its row says.

    Args:
        name: Method or condition.
        config_json: Stored settings of the condition.
        n_layers: Number of blocks.

    Returns:
        The range; None if it does not act, or if the settings leave the range to a rule that also looks at
        the model's type, which a run does not store.
    """
    settings = json.loads(config_json)
    if settings.get("method", name) in _UNCHANGING:
        return None
    config = _config(settings)
    if config is None:
        return None
    types = {kind for kind, depth in PAPER_SCR_LAYERS if depth == n_layers} | {""}
    try:
        ranges = {config.resolved_layers(n_layers, kind) for kind in types}
    except ScrLensError:
        return None
    return ranges.pop() if len(ranges) == 1 else None


def diagnostic_layers(config_json: str, n_layers: int) -> LayerRange | None:
    """The blocks over which a row's attention map was averaged; None if its settings cannot be read."""
    config = _config(json.loads(config_json))
    diagnostic = DiagnosticConfig() if config is None else config.diagnostic
    try:
        return diagnostic.resolved_layers(n_layers)
    except ScrLensError:
        return None


def strength(config_json: str) -> float | None:
    """Lambda of a condition; None if it does not act or its settings cannot be read."""
    settings = json.loads(config_json)
    config = _config(settings)
    return None if config is None or settings.get("method") in _UNCHANGING else config.lambda_


def _config(settings: dict[str, Any]) -> ScrConfig | None:
    try:
        return from_dict(ScrConfig, {key: value for key, value in settings.items() if key != "method"})
    except ScrLensError:
        return None


def _maps(row: Any) -> PassMaps:
    maps: dict[str, np.ndarray] = {}
    if row.resid_norm is not None:
        maps["norm"] = row.resid_norm
    if row.attention is not None:
        maps["attention_map"] = row.attention[None]
    return PassMaps(maps=maps, sources=_cells(row.sources), neighbors=_cells(row.neighbors))


def _cells(values: Any) -> tuple[int, ...]:
    return () if values is None or values is pd.NA else tuple(int(cell) for cell in values)
