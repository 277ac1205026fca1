import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from scr_lens import paper
from scr_lens.analysis.audit import (
    audit_markdown,
    audit_table,
    diagnostic_floor_ms,
    implied_points,
    two_group_correlation,
    whole_map_gain,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "paper-audit.md"


def value(quantity):
    table = audit_table(paper.load())
    return table.set_index("quantity").loc[quantity, "value"]


def test_implied_points_reproduce_the_p_value():
    n = 30
    x = np.arange(n, dtype=float)
    y = np.sin(x) + x / 20
    test = stats.pearsonr(x, y)
    assert implied_points(test.statistic, test.pvalue) == pytest.approx(n)


def test_two_group_correlation_equals_one_on_simulated_questions():
    below = np.repeat([1, 1, 0, 0], [80, 120, 30, 270])
    hits = np.repeat([1, 0, 1, 0], [80, 120, 30, 270])
    share, phi = two_group_correlation(80 / 200, 30 / 300, 110 / 500)
    assert share == pytest.approx(0.4)
    assert phi == pytest.approx(np.corrcoef(1 - below, hits)[0, 1])


def test_whole_map_gain_equals_a_loop():
    source, neighbor, strength = 1.0, 1.0, 1.1
    for _ in range(12):
        neighbor += (strength - 1) * source
        source /= strength
    expected = (576 - 32 * 7 + 32 * source + 32 * 6 * neighbor) / 576
    assert whole_map_gain(strength, 6, 32, 576, 12) == pytest.approx(expected)


def test_floor_counts_the_operations_of_a_block():
    n, d, kv, ff = 10, 8, 4, 16
    weights = d * d + d * kv + d * kv + d * d + d * ff * 3
    attention = 2 * sum(2 * d * (k + 1) for k in range(n)) - 2 * n * d
    floor = diagnostic_floor_ms(n, d, kv, ff, layers=2, tflops=1e-9)
    assert floor == pytest.approx(2 * (2 * n * weights + attention))


def test_numbers_by_another_route():
    rows = [(80.2, 19.5), (88.2, 11.4)]
    assert value("smallest sum (percent)") <= min(sum(row) for row in rows)
    pope = paper.load().pope_adversarial
    sums = [round(hr + accuracy, 1) for hr, accuracy in zip(pope["hr"], pope["accuracy"], strict=True)]
    assert (value("smallest sum (percent)"), value("largest sum (percent)")) == pytest.approx(
        (min(sums), max(sums))
    )
    assert (min(sums), max(sums)) == (99.5, 100.2)
    assert value("rows") == 54
    assert value("parameters of 4096 -> 256 -> 1") == 4096 * 256 + 256 + 256 * 1 + 1
    assert value("net accuracy from 15% x (70% - 30%) (points)") == pytest.approx(6.0)
    assert value("smallest peak after / before, lambda 1.1") == pytest.approx(1 / 1.11)
    assert value("largest deviation (points)") == pytest.approx(0.0, abs=0.051)
    assert 25 < value("fewest points that give r and p") < value("most points that give r and p") < 32


def test_document_shows_exactly_the_computed_table():
    text = DOCUMENT.read_text(encoding="utf-8")
    shown = re.search(r"<!-- audit:begin -->\n(.*?)\n<!-- audit:end -->", text, flags=re.DOTALL).group(1)
    assert shown.strip() == audit_markdown(paper.load())
