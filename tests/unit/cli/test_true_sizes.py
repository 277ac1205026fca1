"""The page of published sizes shows every stored result, what it lacks of the model, and every failure."""

import json
from pathlib import Path
from typing import Any

import pytest

from scr_lens.cli.true_sizes import true_sizes_page
from scr_lens.errors import DataError

RATIO = {"median": 1.25, "low": 1.126, "high": 1.374}
COST: dict[str, Any] = {
    "name": "some-7b",
    "n_layers": 2,
    "published_layers": 32,
    "distinct_blocks": 2,
    "parameters": 990_000_000,
    "held_parameters": 990_000_000,
    "dtype": "float32",
    "device": "cpu (2 threads)",
    "image_tokens": 12,
    "grid": [3, 4],
    "seq_len": 20,
    "peak_gib": 4.46,
    "rounds": 3,
    "features_s": 3.04,
    "plain_s": 4.56,
    "ratios": {"capture": RATIO, "diagnose": RATIO, "scr": RATIO},
}


def health(name: str, passed: bool, measured: float | None) -> dict[str, Any]:
    return {
        "model_id": f"{name}, random weights; CUT to 2 of 9 blocks, not the published model",
        "n_layers": 2,
        "dtype": "float32",
        "device": "cpu",
        "grids": [[3, 4], [3, 4], [5, 2]],
        "normalization": "pre-norm",
        "checks": [
            {"name": "grid", "measured": 0, "passed": True},
            {"name": "identity", "measured": measured, "passed": passed},
        ],
    }


def page(docs: Path, **results: Any) -> str:
    (docs / "true-sizes").mkdir(exist_ok=True)
    for name, found in results.items():
        (docs / "true-sizes" / f"{name}.json").write_text(json.dumps(found))
    return true_sizes_page(docs)


def cells(text: str, start: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_costs_stand_in_one_row_a_result(tmp_path: Path) -> None:
    deep = COST | {"n_layers": 32, "parameters": 6_700_000_000, "name": "a-deep-one"}
    whole = deep | {"distinct_blocks": 32, "name": "whole"}
    text = page(tmp_path, a=deep, b=COST, c=whole)
    assert cells(text, "some-7b") == [
        "some-7b",
        "CUT to 2 of 32",
        "0.99 B",
        "0.99 B",
        "float32, cpu (2 threads)",
        "12 (3 x 4)",
        "20",
        "4.5 GiB",
        "3",
        "3.0 s",
        "4.6 s",
        *["1.25 (1.13 to 1.37)"] * 3,
    ]
    assert cells(text, "a-deep-one")[1:4] == ["all 32, REPEAT 2", "6.70 B", "0.99 B"]
    assert cells(text, "whole")[1] == "all 32"
    assert text.index("some-7b") < text.index("a-deep-one")


def test_checks_stand_in_one_column_a_model(tmp_path: Path) -> None:
    good, bad, none = health("x", True, 1.26e-7), health("y", False, 0.5), health("z", False, None)
    text = page(tmp_path, x=good, y=bad, z=none)
    assert cells(text, "check") == ["check", "x", "y", "z"]
    assert cells(text, "identity") == ["identity", "ok 1.3e-07", "**FAILED** 0.5", "**FAILED** none"]
    assert cells(text, "grid")[1:] == ["ok 0"] * 3
    assert cells(text, "image tokens")[1:3] == ["3 x 4, 5 x 2"] * 2


def test_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"odd\.json holds neither checks nor costs; store there what `scr-lens"
    ):
        page(tmp_path, odd={"name": "x"})
