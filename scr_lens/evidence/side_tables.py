"""Side tables: small CSV files next to a run, each written whole, with the settings that made it."""

import hashlib
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from scr_lens.errors import DataError, StoreError, unknown_name
from scr_lens.store.atomic import write_bytes

FOLDER = "tables"

SIDE_TABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "boxes": ("image_id", "object", "x", "y", "width", "height", "image_width", "image_height"),
        "references": ("image_id", "caption"),
        "caption_objects": ("image_id", "object"),
        "autocorrelation": ("image_id", "measure", "distance", "rho"),
        "credit": ("image_id", "question", "estimator", "layer", "pearson", "spearman", "entropy_nats"),
    }
)
"""Columns of each side table: what is in the images, what people say about them and what is in those, how
alike neighboring patches are, and how the patch norm correlates with each credit estimator (EF1)."""


def write_side_table(folder: str | Path, name: str, frame: pd.DataFrame, key: str) -> Path:
    """Write a side table of an experiment folder.

    Args:
        folder: The experiment folder.
        name: One of `SIDE_TABLES`.
        frame: The rows, with the columns of that table.
        key: Digest of what decides the rows; kept next to them.

    Returns:
        Path of the CSV file; the same bytes for the same rows.

    Raises:
        DataError: If the name is unknown or a column is missing.
    """
    columns = _columns(name)
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise DataError(f"side table {name!r} lacks {missing}: expected columns {list(columns)}")
    path = _path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = frame[list(columns)].to_csv(index=False, float_format="%.10g", lineterminator="\n").encode()
    write_bytes(path, content)
    made = {"key": key, "sha256": hashlib.sha256(content).hexdigest()}
    write_bytes(path.with_suffix(".json"), (json.dumps(made, sort_keys=True) + "\n").encode())
    return path


def side_table_key(folder: str | Path, name: str) -> str | None:
    """Read what a stored side table was made from.

    Args:
        folder: The experiment folder.
        name: One of `SIDE_TABLES`.

    Returns:
        Its key; None if the table is not there or not complete.
    """
    path = _path(folder, name)
    try:
        made = json.loads(path.with_suffix(".json").read_bytes())
        is_whole = hashlib.sha256(path.read_bytes()).hexdigest() == made["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(made["key"]) if is_whole else None


def read_side_table(folder: str | Path, name: str) -> pd.DataFrame | None:
    """Read a side table.

    Args:
        folder: The experiment folder.
        name: One of `SIDE_TABLES`.

    Returns:
        Its rows; None if it was never made.

    Raises:
        StoreError: If the file was changed after it was written, or does not hold the table's columns.
    """
    path, columns = _path(folder, name), _columns(name)
    if not path.exists():
        return None
    if side_table_key(folder, name) is None:
        raise StoreError(f"{path} is not what was written: delete it and run the experiment again")
    types = {"image_id": "object", "question": "object"}
    frame = pd.read_csv(BytesIO(path.read_bytes()), keep_default_na=False, na_values=[""], dtype=types)
    if tuple(frame.columns) != columns:
        raise StoreError(
            f"{path} has columns {list(frame.columns)}: expected {list(columns)}; delete it and run again"
        )
    return frame


def _columns(name: str) -> tuple[str, ...]:
    if name not in SIDE_TABLES:
        raise DataError(unknown_name("side table", name, SIDE_TABLES))
    return SIDE_TABLES[name]


def _path(folder: str | Path, name: str) -> Path:
    return Path(folder) / FOLDER / f"{name}.csv"
