"""The table of organisms, read back cell by cell."""

import json

import pytest

from scr_lens.errors import DataError
from scr_lens.organisms import shipped
from scr_lens.organisms.catalog import catalog, untrained
from scr_lens.organisms.recipe import RECIPES


def rate(value):
    return [value, value - 0.01, value + 0.01]


def save(folder, parameters, base):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    splits = {
        split: {"hallucination_rate": rate(base + k / 100), "accuracy": rate(0.8 + k / 100)}
        for k, split in enumerate(("random", "popular", "adversarial"))
    }
    scores = {"parameters": parameters, "pope": splits, "captions": {"recall": base + 0.5}}
    (folder / "scores.json").write_text(json.dumps(scores))


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "_PLACES", (tmp_path,))
    return tmp_path


def test_one_row_for_each_organism_at_hand_in_the_order_of_the_recipes(place):
    save(place / "qwen2-vl-small", 1234567, 0.2)
    save(place / "chameleon-large", 89, 0.1)
    header, line, *rows = (row.strip("| ").split(" | ") for row in catalog().splitlines())
    assert set(line) == {"---"} and {len(row) for row in (header, line, *rows)} == {10}
    assert rows[0] == [
        "[chameleon-large](../data/organisms/chameleon-large/README.md)",
        "`chameleon`, post-norm, encoder of chameleon-small",
        "89",
        f"{RECIPES['chameleon-large'].n_layers} x {RECIPES['chameleon-large'].d_model}",
        "144 (12x12)",
        "10.0 [9.0, 11.0]",
        "11.0 [10.0, 12.0]",
        "12.0 [11.0, 13.0]",
        "82.0 [81.0, 83.0]",
        "60.0",
    ]
    assert rows[1][1:3] == ["`qwen2_vl`", "1,234,567"] and rows[1][-1] == "70.0"
    assert len(rows) == 2
    assert untrained() == tuple(n for n in RECIPES if n not in ("chameleon-large", "qwen2-vl-small"))


def test_no_organism_is_an_empty_table(place):
    assert len(catalog().splitlines()) == 2 and untrained() == tuple(RECIPES)


def test_an_organism_without_measurements_is_named(place):
    save(place / "llava-small", 1, 0.1)
    (place / "llava-small" / "scores.json").unlink()
    with pytest.raises(DataError, match="llava-small holds no measurements"):
        catalog()
