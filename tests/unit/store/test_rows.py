"""Rows against the schema: what fits comes back, what does not is named."""

from typing import Any

import numpy as np
import pytest

from scr_lens.errors import DataError
from scr_lens.store import COLUMNS, SCHEMA_VERSION, arrow_schema, row_key, to_table
from scr_lens.store.schema import ARROW_TYPES, version_of


def test_every_column_is_documented_in_the_file() -> None:
    schema = arrow_schema()
    assert schema.names == [column.name for column in COLUMNS]
    assert version_of(schema) == SCHEMA_VERSION
    for column in COLUMNS:
        field = schema.field(column.name)
        assert field.metadata[b"doc"].decode() == column.doc
        assert field.type == ARROW_TYPES[column.kind]
        assert field.nullable != column.required
        assert column.doc.endswith(".") or column.doc.endswith("more).")


def test_version_of_foreign_files() -> None:
    assert version_of(arrow_schema().remove_metadata()) is None
    assert version_of(arrow_schema().with_metadata({"scr_lens_schema_version": "x"})) is None


def test_values_are_kept(make_row: Any) -> None:
    row = make_row(3)
    (cells,) = to_table([row]).to_pylist()
    assert cells["key"] == row_key(row)
    assert cells["splits"] == ["random", "popular"]
    assert cells["sources"] == [4]
    assert cells["p_yes"] == row["p_yes"]
    assert cells["attention"] == row["attention"].ravel().tolist()
    assert cells["resid_norm"] == pytest.approx(row["resid_norm"].ravel(), rel=2**-11)
    assert cells["error"] is None


def test_absent_optional_columns_are_empty(make_row: Any) -> None:
    required = [column.name for column in COLUMNS if column.required and column.name != "key"]
    (cells,) = to_table([{name: make_row()[name] for name in required}]).to_pylist()
    assert {name for name, value in cells.items() if value is not None} == {*required, "key"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"atention": []}, "unknown column 'atention'; did you mean 'attention'"),
        ({"model_id": None}, "column 'model_id' is empty; it is required: Name or path"),
        ({"prompt": None}, "identity column 'prompt' is None"),
        ({"key": "0" * 64}, "key is '000.* but the row's own is"),
        ({"dtype": 32}, "identity column 'dtype' is 32"),
        ({"splits": "random"}, "column 'splits' cannot hold random: expected a list of texts"),
        ({"splits": [1]}, "column 'splits' .*expected text"),
        ({"grid_h": 2.0}, "column 'grid_h' cannot hold 2.0: expected a whole number"),
        ({"grid_h": 40000}, "column 'grid_h' cannot hold 40000: expected 0 to 32767"),
        ({"n_layers": True}, "column 'n_layers' cannot hold True"),
        ({"label": "maybe"}, "column 'label' cannot hold maybe: expected one of: yes, no"),
        ({"answer": "unparsed"}, "expected one of: yes, no, other"),
        ({"status": "done"}, "expected one of: ok, failed"),
        ({"status": "failed"}, "status is 'failed' and error is None; give a reason"),
        ({"error": "broken"}, "status is 'ok' and error is 'broken'"),
        ({"image_sha256": "abc"}, "expected 64 hexadecimal digits"),
        ({"p_yes": 1.5}, "column 'p_yes' cannot hold 1.5: expected a value from 0 to 1"),
        ({"p_yes": float("nan")}, "column 'p_yes' cannot hold nan: not finite"),
        ({"p_no": "0.5"}, "column 'p_no' cannot hold 0.5: expected a number"),
        ({"wall_ms": "fast"}, "column 'wall_ms' cannot hold fast"),
        ({"sources": [0.5]}, "column 'sources' .*expected whole numbers"),
        ({"sources": [-1]}, "column 'sources' .*expected patch indices from 0"),
        ({"neighbors": [6]}, "column 'neighbors' holds patch 6 of a 2 x 3 grid"),
        ({"attention": np.ones(5)}, r"'attention' holds 5 values; n_layers=2, grid_h=2, grid_w=3 ask for 6"),
        ({"resid_norm": np.ones((2, 5))}, "'resid_norm' holds 10 values; .*ask for 12"),
        ({"entropy_norm_nats": [1.0]}, "'entropy_norm_nats' holds 1 values; .*ask for 2"),
        ({"grid_w": None}, "'attention' holds 6 values; .*grid_w=None ask for None"),
        ({"attention": [1, 2, 3, np.nan, 5, 6]}, "value 3 is not finite; record the row as failed"),
        ({"resid_norm": np.full(12, 70000.0)}, "70000 exceeds float16; leave the column empty"),
    ],
)
def test_bad_rows_are_named(make_row: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"row 1 \(image '1\.jpg', condition 'scr'\): .*{message}"):
        to_table([make_row(0), make_row(1, **changes)])


def test_failed_rows_need_only_what_is_known(make_row: Any) -> None:
    nothing = dict.fromkeys(("grid_h", "grid_w", "n_layers", "sources", "neighbors", "attention"))
    nothing |= dict.fromkeys(("resid_norm", "entropy_norm_nats", "answer", "p_yes", "p_no"))
    (cells,) = to_table([make_row(0, status="failed", error="cannot decode", **nothing)]).to_pylist()
    assert (cells["status"], cells["error"], cells["attention"]) == ("failed", "cannot decode", None)
