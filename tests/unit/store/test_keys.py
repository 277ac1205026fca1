"""Row keys: every component counts, and nothing else."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scr_lens.errors import DataError
from scr_lens.store import IDENTITY_COLUMNS, SCHEMA_VERSION, image_digest, missing_image_digest, row_key
from scr_lens.store.keys import canonical_json, keys_digest

IDENTITIES = st.fixed_dictionaries({name: st.text(max_size=12) for name in IDENTITY_COLUMNS})


def test_components_are_those_of_the_specification() -> None:
    assert set(IDENTITY_COLUMNS) == {
        "model_revision",
        "processor_digest",
        "dtype",
        "attn_implementation",
        "image_sha256",
        "prompt",
        "condition",
        "config_digest",
    }


@given(fields=IDENTITIES, name=st.sampled_from(IDENTITY_COLUMNS), other=st.text(max_size=12))
def test_changing_any_component_changes_the_key(fields: dict[str, str], name: str, other: str) -> None:
    changed = {**fields, name: other}
    assert (row_key(changed) == row_key(fields)) == (other == fields[name])


@given(fields=IDENTITIES, first=st.sampled_from(IDENTITY_COLUMNS), second=st.sampled_from(IDENTITY_COLUMNS))
def test_components_cannot_stand_in_for_each_other(fields: dict[str, str], first: str, second: str) -> None:
    swapped = {**fields, first: fields[second], second: fields[first]}
    assert (row_key(swapped) == row_key(fields)) == (swapped == fields)
    moved = {**fields, first: fields[first] + "x", second: "y"}
    back = {**fields, first: fields[first], second: "xy"}
    assert first == second or row_key(moved) != row_key(back)


@given(fields=IDENTITIES)
def test_other_columns_and_order_do_not_matter(fields: dict[str, str]) -> None:
    reordered = dict(reversed(fields.items())) | {"image_id": "b.jpg", "splits": ["x"], "wall_ms": 3}
    assert row_key(reordered) == row_key(fields)


def test_schema_version_is_part_of_the_key() -> None:
    fields = dict.fromkeys(IDENTITY_COLUMNS, "x")
    assert row_key(fields) == row_key(fields, schema_version=SCHEMA_VERSION)
    assert row_key(fields) != row_key(fields, schema_version=SCHEMA_VERSION + 1)


def test_key_is_pinned() -> None:
    """Stored runs stay resumable: the key of version 1 must never change."""
    fields = dict.fromkeys(IDENTITY_COLUMNS, "x")
    text = json.dumps({**fields, "schema_version": 1}, sort_keys=True).replace(" ", "")
    assert row_key(fields, schema_version=1) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", IDENTITY_COLUMNS)
def test_absent_component_is_refused(name: str) -> None:
    fields: dict[str, object] = dict.fromkeys(IDENTITY_COLUMNS, "x")
    for bad in (None, 3):
        with pytest.raises(DataError, match=f"identity column '{name}' is {bad}; expected text"):
            row_key({**fields, name: bad})


def test_digests() -> None:
    assert image_digest(b"abc") == hashlib.sha256(b"abc").hexdigest()
    assert missing_image_digest("a") != missing_image_digest("b")
    assert keys_digest(["b", "a"]) == keys_digest(["a", "b"]) != keys_digest(["a"])
    assert canonical_json({"b": 1, "a": [None, "é"]}) == b'{"a":[null,"\\u00e9"],"b":1}'
