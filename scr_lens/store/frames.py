"""Arrow tables of the store as data frames with NumPy maps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from scr_lens.store.schema import COLUMNS, Column

_MAP_TYPES = {"indices": np.int16, "floats": np.float32, "halves": np.float32}


def to_frame(table: Any) -> pd.DataFrame:
    """Turn rows as stored into rows for analysis.

    Args:
        table: A `pyarrow.Table` with any columns of the store's schema, `n_layers` among them.

    Returns:
        The same rows and columns. Texts are objects (None when empty), counts Int16, numbers float64 (NaN
        when empty), text lists tuples, maps arrays (None when empty): `resid_norm` float32 [layer, patch],
        indices int16, other maps float32.
    """
    names = set(table.column_names)
    layers = table.column("n_layers").to_pylist()
    return pd.DataFrame(
        {c.name: _series(c, table.column(c.name), layers) for c in COLUMNS if c.name in names}
    )


def _series(column: Column, cells: Any, layers: Sequence[int | None]) -> pd.Series:
    if column.kind == "count":
        return pd.Series(cells.to_pylist(), dtype="Int16")
    if column.kind == "number":
        return pd.Series(cells.to_pylist(), dtype="float64")
    if column.kind == "texts":
        return _objects([None if cell is None else tuple(cell) for cell in cells.to_pylist()])
    if column.kind == "text":
        return _objects(cells.to_pylist())
    arrays = [_array(cell, _MAP_TYPES[column.kind]) for cell in cells]
    if column.name == "resid_norm":
        arrays = [a if a is None else a.reshape(n or 0, -1) for a, n in zip(arrays, layers, strict=True)]
    return _objects(arrays)


def _array(cell: Any, dtype: Any) -> np.ndarray | None:
    return cell.values.to_numpy(zero_copy_only=False).astype(dtype) if cell.is_valid else None


def _objects(values: Sequence[Any]) -> pd.Series:
    """A series that keeps arrays and tuples whole and None as None."""
    cells = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        cells[index] = value
    return pd.Series(cells, dtype=object)
