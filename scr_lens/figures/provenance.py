"""Where the figures of a folder come from: rows, settings, versions and the hash of every file."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from scr_lens.errors import StoreError
from scr_lens.figures.saving import write_figure_file
from scr_lens.store.keys import keys_digest

FILE_NAME = "provenance.json"
_DISTRIBUTIONS = ("scr-lens", "matplotlib", "numpy", "pandas", "pillow", "scipy")
_IDENTITIES = ("model_id", "model_revision", "benchmark", "condition", "config_digest")


def run_origin(frame: pd.DataFrame) -> dict[str, Any]:
    """Describe the rows that a figure was drawn from.

    Args:
        frame: Records as read from the store; columns that were not read are left out of the description.

    Returns:
        Number of rows, SHA-256 over their keys, and the models, benchmarks, conditions and settings in them.
    """
    origin: dict[str, Any] = {"rows": len(frame)}
    if "key" in frame.columns:
        origin["keys_sha256"] = keys_digest(frame["key"])
    for name in _IDENTITIES:
        if name in frame.columns:
            origin[name] = sorted(map(str, frame[name].dropna().unique()))
    return origin


def write_provenance(
    folder: str | Path, figures: Mapping[str, Sequence[Path]], origin: Mapping[str, Any]
) -> Path:
    """Record the origin of a set of figures in `provenance.json`, next to them.

    Entries of other figures in the folder are kept; those whose files are gone are dropped.

    Args:
        folder: Folder of the figures.
        figures: Files by the name of the figure, as returned by `save`.
        origin: What the figures were drawn from, as plain values: `run_origin(frame)`, or the numbers of an
            inspection.

    Returns:
        Path of the file; it holds no time, so that it changes only when figures, rows or versions do.

    Raises:
        StoreError: If the folder holds an unreadable `provenance.json`.
    """
    entries = _known_entries(Path(folder))
    for name, files in figures.items():
        hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        entries[name] = {"files": hashes, "origin": dict(origin), "versions": versions()}
    content = json.dumps({"figures": entries}, indent=1, sort_keys=True, allow_nan=False) + "\n"
    return write_figure_file(folder, FILE_NAME, content.encode())


def versions() -> dict[str, str | None]:
    """Versions of Python and of the packages behind numbers and pictures; None where not installed."""
    return {"python": platform.python_version()} | {name: _version(name) for name in _DISTRIBUTIONS}


def _known_entries(folder: Path) -> dict[str, Any]:
    path = folder / FILE_NAME
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_bytes())["figures"]
        kept = {
            name: entry
            for name, entry in entries.items()
            if all((folder / file).exists() for file in entry["files"])
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"cannot read {path} ({error}); delete it and draw the figures again") from error
    return kept


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
