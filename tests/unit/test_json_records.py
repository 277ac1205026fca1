"""Records of JSON lines and JSON arrays, with the line each came from."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scr_lens.errors import DataError
from scr_lens.json_records import read_records

OBJECTS = st.lists(
    st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers()), min_size=1, max_size=6
)


def save(folder: Path, text: str) -> Path:
    path = folder / "f.json"
    path.write_text(text, encoding="utf-8")
    return path


@given(objects=OBJECTS, indent=st.sampled_from([None, 0, 4]))
def test_lines_and_arrays_hold_the_same(
    objects: list[dict[str, object]], indent: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("records")
    array = save(folder, json.dumps(objects, indent=indent))
    assert [dict(r.fields) for r in read_records(array)] == objects
    lines = save(folder, "\n\n".join(json.dumps(o) for o in objects))
    found = read_records(lines)
    assert [dict(r.fields) for r in found] == objects
    assert [r.line for r in found] == [1 + 2 * i for i in range(len(objects))]


def test_array_entries_know_their_lines(tmp_path: Path) -> None:
    path = save(tmp_path, '\n[\n  {"a": 1},\n  {\n    "a": 2\n  }, {"a": 3}\n]\n')
    assert [r.line for r in read_records(path)] == [3, 4, 6]


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}\r\n')
    assert [r.fields["a"] for r in read_records(path)] == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": \n', r"f\.json:2: malformed JSON \("),
        ('{"a": 1}\n[1]\n', r"f\.json:2: entry is '\[1\]'; expected a JSON object"),
        ('[{"a": 1},\n {"a" 2}]', r"f\.json:2: malformed JSON \(Expecting ':'"),
        ('[{"a": 1}\n {"a": 2}]', r"f\.json:2: malformed JSON \(expected a comma"),
        ('[{"a": 1},\n]', r"f\.json:1: malformed JSON \(expected a comma"),
        ('[{"a": 1}', r"f\.json:1: malformed JSON \(expected a comma"),
        ("[", r"f\.json:1: malformed JSON"),
        ('[{"a": 1}]\n{"a": 2}', r"f\.json:2: malformed JSON \(text after the end"),
        ("[3]", r"f\.json:1: entry is '3'"),
        ("", "holds no record"),
        ("[]", "holds no record"),
    ],
)
def test_malformed_files_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_records(save(tmp_path, text))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*none\.json: No such file"):
        read_records(tmp_path / "none.json")
    path = tmp_path / "f.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(DataError, match=r"is not UTF-8 text \(byte 7\)"):
        read_records(path)


def test_fields(tmp_path: Path) -> None:
    (record,) = read_records(save(tmp_path, '{"n": "12", "m": 3, "b": true, "t": "x", "f": 1.5}'))
    assert (record.integer("n"), record.integer("m"), record.text("q", "t")) == (12, 3, "x")
    for key in ("b", "f", "t"):
        with pytest.raises(DataError, match=rf"f\.json:1: field '{key}' is .*expected a whole number"):
            record.integer(key)
    with pytest.raises(DataError, match=r"field 'm' is 3; expected text"):
        record.text("m")
    with pytest.raises(DataError, match=r"field 'z' is missing \(fields present: n, m, b, t, f\)"):
        record.text("z")
