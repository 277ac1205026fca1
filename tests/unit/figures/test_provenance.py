import hashlib
import json

import pytest

from scr_lens.errors import StoreError
from scr_lens.figures.provenance import run_origin, write_provenance
from scr_lens.store.keys import keys_digest


def figure_file(folder, name):
    path = folder / name
    path.write_bytes(name.encode())
    return path


def test_origin_names_rows_and_settings(records):
    frame = records(n_images=2)
    origin = run_origin(frame)
    assert origin["rows"] == 48
    assert origin["keys_sha256"] == keys_digest(frame["key"])
    assert origin["condition"] == ["identity", "scr", "uniform-smooth", "vanilla"]
    assert run_origin(frame[["answer"]]) == {"rows": 48}
    assert run_origin(frame.iloc[::-1]) == origin


def test_file_holds_hashes_and_is_stable(tmp_path):
    path = figure_file(tmp_path, "a.png")
    written = write_provenance(tmp_path, {"a": [path]}, {"rows": 1})
    entry = json.loads(written.read_text())["figures"]["a"]
    assert entry["files"] == {"a.png": hashlib.sha256(b"a.png").hexdigest()}
    assert entry["origin"] == {"rows": 1}
    assert entry["versions"]["matplotlib"]
    before = written.read_bytes()
    assert write_provenance(tmp_path, {"a": [path]}, {"rows": 1}).read_bytes() == before


def test_other_figures_stay_while_their_files_do(tmp_path):
    a, b = figure_file(tmp_path, "a.png"), figure_file(tmp_path, "b.png")
    write_provenance(tmp_path, {"a": [a], "b": [b]}, {"rows": 1})
    b.unlink()
    c = figure_file(tmp_path, "c.png")
    entries = json.loads(write_provenance(tmp_path, {"c": [c]}, {"rows": 2}).read_text())["figures"]
    assert {name: entry["origin"]["rows"] for name, entry in entries.items()} == {"a": 1, "c": 2}


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"figures": {"a": 3}}', '{"figures": []}'])
def test_damaged_file_is_named(tmp_path, content):
    (tmp_path / "provenance.json").write_text(content)
    with pytest.raises(StoreError, match=r"provenance\.json.*delete it"):
        write_provenance(tmp_path, {}, {})
