"""Cost comes from times taken side by side, never from the wall times of a run."""

import numpy as np
import pytest
from synthetic_evidence import make_answers, make_evidence, make_times

from scr_lens.figures.paper import find_entry, write_entries
from scr_lens.figures.paper.cost import collect_cost, collect_variants

ANSWERS = make_answers(12, ("vanilla", "scr", "uniform-smooth", "scr-K-4"))


def measured(table):
    return table[table["source"] == "measured"].set_index("method" if "method" in table else "variant")


def test_cost_is_the_paired_time_of_methods_alone():
    cost = measured(collect_cost(make_evidence(12, answers=ANSWERS)))
    # 30, 40, 50, 60, 70 ms against 20: ratios 1.5, 2, 2.5, 3, 3.5; the caption's 5,000 ms count nowhere
    assert cost.loc["SCR", ["added_ms", "alone_ms", "ratio", "ratio_low", "ratio_high"]].tolist() == [
        30, 50, 2.5, 2.0, 3.0
    ]  # fmt: skip
    assert cost.loc["Uniform-Smooth", "added_ms"] == 3
    assert cost.loc["vanilla", ["alone_ms", "ratio"]].tolist() == [20, 1] and np.isnan(
        cost.loc["vanilla", "added_ms"]
    )
    assert set(cost["n_questions"]) == {5} and "scr-K-4" not in cost.index
    assert set(cost["timing"]) == {"`scr-lens compare`, each method alone, 5 questions"}
    assert measured(collect_variants(make_evidence(12, answers=ANSWERS)))["latency_ms"].tolist() == [30]


@pytest.mark.parametrize("times", [None, make_times().query("condition != 'vanilla'"), make_times(1)])
@pytest.mark.parametrize("collect", [collect_cost, collect_variants])
def test_without_a_comparison_nothing_is_said_to_be_measured(collect, times):
    evidence = make_evidence(12, answers=ANSWERS.assign(wall_ms=123.0), times=times)
    table = collect(evidence)
    rows = measured(table)
    numbers = rows[[name for name in rows if name.endswith("_ms") or name.startswith("ratio")]]
    assert numbers.isna().all(axis=None)
    words = "not measured here; `scr-lens compare tiny` times every method alone"
    assert set(rows["timing"]) == {words}
    paper = table[table["source"] == "paper"]
    assert len(paper) and paper[["added_ms" if "added_ms" in paper else "latency_ms"]].notna().all(axis=None)


def test_the_note_is_read_in_the_table(tmp_path):
    evidence = make_evidence(12, answers=ANSWERS, times=None)
    write_entries([find_entry("table-4"), find_entry("table-cost")], evidence, tmp_path)
    for name in ("table-4", "table-cost"):
        lines = (tmp_path / f"{name}.md").read_text().splitlines()
        (scr,) = (line for line in lines if line.startswith("| measured") and "SCR |" in line)
        assert "| not measured here; `scr-lens compare tiny` times every method alone |" in scr
        assert "123" not in scr and "25.0" not in scr
