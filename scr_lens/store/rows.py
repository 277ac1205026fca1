"""Rows as callers give them, checked cell by cell and turned into an Arrow table."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from scr_lens.errors import DataError, unknown_name
from scr_lens.store.keys import row_key
from scr_lens.store.schema import BY_NAME, COLUMNS, Column, Kind, arrow_schema

Row = Mapping[str, Any]

_SHA256 = re.compile(r"[0-9a-f]{64}")


def to_table(rows: Sequence[Row]) -> Any:
    """Check rows and put them in the store's schema.

    Args:
        rows: One mapping of column name to value per row; absent columns are empty, `key` may be absent, maps
            may be arrays of any shape that hold the right number of values in raster order.

    Returns:
        A `pyarrow.Table` in the store's schema, its keys filled in, rows in the order given.

    Raises:
        DataError: Naming row, column and value, if a column is unknown or required and absent, a value has
            the wrong type or range or is not finite, a map does not fit its grid, or a key is not the row's
            own.
    """
    checked = [_checked_row(index, row) for index, row in enumerate(rows)]
    schema = arrow_schema()
    arrays = [
        pa.array([row[column.name] for row in checked], type=schema.field(column.name).type)
        for column in COLUMNS
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _checked_row(index: int, row: Row) -> dict[str, Any]:
    where = f"row {index} (image {row.get('image_id')!r}, condition {row.get('condition')!r})"
    for name in row:
        if name not in BY_NAME:
            raise DataError(f"{where}: {unknown_name('column', name, BY_NAME)}")
    keyed = {**row, "key": _checked_key(where, row)}
    cells = {column.name: _checked_cell(where, column, keyed.get(column.name)) for column in COLUMNS}
    _check_status(where, cells)
    _check_lengths(where, cells)
    return cells


def _checked_key(where: str, row: Row) -> str:
    try:
        own = row_key(row)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if row.get("key", own) != own:
        raise DataError(
            f"{where}: key is {row['key']!r} but the row's own is {own}; leave it out to have it filled in"
        )
    return own


def _checked_cell(where: str, column: Column, value: Any) -> Any:
    if value is None:
        if column.required:
            raise DataError(f"{where}: column {column.name!r} is empty; it is required: {column.doc}")
        return None
    try:
        cell = _CONVERTERS[column.kind](value)
        _check_allowed(column, cell)
    except (TypeError, ValueError, OverflowError) as error:
        shown = str(value).replace("\n", " ")[:60]
        raise DataError(f"{where}: column {column.name!r} cannot hold {shown}: {error}") from error
    return cell


def _check_allowed(column: Column, cell: Any) -> None:
    if column.allowed and cell not in column.allowed:
        raise ValueError(f"expected one of: {', '.join(column.allowed)}")
    if column.kind == "number" and not column.within[0] <= cell <= column.within[1]:
        raise ValueError(f"expected a value from {column.within[0]:g} to {column.within[1]:g}")
    if column.name == "image_sha256" and not _SHA256.fullmatch(cell):
        raise ValueError("expected 64 hexadecimal digits; use image_digest() or missing_image_digest()")


def _check_status(where: str, cells: Row) -> None:
    if (cells["status"] == "failed") != bool(cells["error"]):
        raise DataError(
            f"{where}: status is {cells['status']!r} and error is {cells['error']!r}; "
            "give a reason with 'failed' and none with 'ok'"
        )


def _check_lengths(where: str, cells: Row) -> None:
    layers, height, width = cells["n_layers"], cells["grid_h"], cells["grid_w"]
    patches = height * width if height is not None and width is not None else None
    cube = patches * layers if patches is not None and layers is not None else None
    needs = (("attention", patches), ("resid_norm", cube), ("entropy_norm_nats", layers))
    for name, expected in needs:
        if cells[name] is not None and len(cells[name]) != expected:
            raise DataError(
                f"{where}: column {name!r} holds {len(cells[name])} values; n_layers={layers}, "
                f"grid_h={height}, grid_w={width} ask for {expected}"
            )
    for name in ("sources", "neighbors"):
        if cells[name] is not None and len(cells[name]) and cells[name].max() >= (patches or 0):
            raise DataError(
                f"{where}: column {name!r} holds patch {cells[name].max()} of a {height} x {width} grid"
            )


def _as_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected text")
    return value


def _as_texts(value: Any) -> list[str]:
    if isinstance(value, str):
        raise TypeError("expected a list of texts")
    return [_as_text(item) for item in value]


def _as_count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError("expected a whole number")
    if not 0 <= value <= np.iinfo(np.int16).max:
        raise ValueError(f"expected 0 to {np.iinfo(np.int16).max}")
    return int(value)


def _as_number(value: Any) -> float:
    if isinstance(value, bool | str):
        raise TypeError("expected a number")
    number = float(value)
    if not np.isfinite(number):
        raise ValueError("not finite; leave it empty or record the row as failed")
    return number


def _as_indices(value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise TypeError("expected whole numbers")
    if array.size and not (array.min() >= 0 and array.max() <= np.iinfo(np.int16).max):
        raise ValueError(f"expected patch indices from 0 to {np.iinfo(np.int16).max}")
    return array.astype(np.int16).ravel()


def _as_floats(value: Any) -> np.ndarray:
    return _finite_array(value, np.float32)


def _as_halves(value: Any) -> np.ndarray:
    return _finite_array(value, np.float16)


def _finite_array(value: Any, dtype: type[np.floating[Any]]) -> np.ndarray:
    array = np.asarray(value, dtype=np.float64).ravel()
    if not np.isfinite(array).all():
        raise ValueError(
            f"value {np.flatnonzero(~np.isfinite(array))[0]} is not finite; record the row as failed"
        )
    if array.size and np.abs(array).max() > np.finfo(dtype).max:
        raise ValueError(f"{np.abs(array).max():g} exceeds {dtype.__name__}; leave the column empty")
    return array.astype(dtype)


_CONVERTERS: Mapping[Kind, Callable[[Any], Any]] = {
    "text": _as_text,
    "texts": _as_texts,
    "count": _as_count,
    "number": _as_number,
    "indices": _as_indices,
    "floats": _as_floats,
    "halves": _as_halves,
}
