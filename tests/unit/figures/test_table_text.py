import io

import numpy as np
import pandas as pd
import pytest

from scr_lens.figures.table_text import readable_table, to_csv, to_markdown, to_text
from scr_lens.figures.tables import condition_table

M = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def table(records):
    return condition_table(records())


def small(**changes):
    metrics = ("hallucination_rate", "accuracy", "precision", "recall", "f1", "yes_ratio")
    row = {"split": "random", "condition": "scr", "n_images": 10, "n_questions": 60}
    row |= {f"{m}{end}": v for m in metrics for end, v in (("", 0.125), ("_low", 0.1), ("_high", 0.2))}
    row |= {
        f"hallucination_rate_difference{e}": v for e, v in (("", -0.02), ("_low", -0.051), ("_high", 0.01))
    }
    return pd.DataFrame([row | changes])


def test_cells():
    row = readable_table(small(precision=np.nan)).iloc[0]
    assert row["HR %"] == "12.5 [10.0, 20.0]"
    assert row["precision %"] == "\N{EN DASH}"
    assert row.iloc[-1] == f"{M}2.0 [{M}5.1, +1.0]"
    assert (row["images"], row["questions"]) == ("10", "60")


def test_no_change_has_no_interval_and_no_minus_zero():
    same = {f"hallucination_rate_difference{end}": 0.0 for end in ("", "_low", "_high")}
    assert readable_table(small(**same)).iloc[0, -1] == "same answers"
    tiny = readable_table(small(hallucination_rate_difference=-0.0001)).iloc[0, -1]
    assert tiny.startswith("0.0 [")


def test_markdown_has_a_row_per_condition_and_escapes(table):
    lines = to_markdown(table).splitlines()
    assert len(lines) == 2 + len(table)
    assert len({line.count("|") for line in lines}) == 1
    escaped = to_markdown(small(condition="a|b")).splitlines()[2]
    assert "a\\|b" in escaped


def test_csv_reads_back_to_ten_digits(table):
    text = to_csv(table)
    back = pd.read_csv(io.StringIO(text))
    assert list(back.columns) == list(table.columns)
    numbers = table.select_dtypes("number").columns
    np.testing.assert_allclose(back[numbers], table[numbers].astype(float), rtol=1e-9)
    assert to_csv(table) == text
    assert "\r" not in text


def test_terminal_text_is_aligned_in_blocks(table):
    lines = to_text(table).splitlines()
    assert max(map(len, lines)) <= 100
    assert "random (24 images, 144 questions)" in lines
    rows = [line for line in lines if line.startswith(("vanilla", "scr", "identity", "uniform"))]
    assert len(rows) == len(table)
    assert len({line.rindex("  ") for line in rows if "same" in line}) == 1
    assert "image as the sampling unit" in lines[-1]
