import pandas as pd
import pytest

from scr_lens.analysis.method_comparison import overhead_table
from scr_lens.decoding.table import method_table
from scr_lens.figures.method_tables import cost_table, paper_changes, paper_latency


def test_changes_of_the_paper_are_differences_of_its_printed_values():
    printed = ((13.5, 19.5), (13.1, 18.8), (12.9, 18.5), (11.4, 17.0), (12.6, 18.2), (12.8, 17.5))
    expected = sorted(scr - vanilla for scr, vanilla in printed)  # tables 1 and 2, by hand
    assert sorted(paper_changes("scr", "hr")) == pytest.approx(expected)
    assert min(paper_changes("avcd", "cider")) == pytest.approx(115.4 - 118.5)
    one_pass = (14.9 - 19.5, 13.9 - 18.2, 14.4 - 18.8, 14.0 - 17.5, 14.2 - 18.5, 12.7 - 17.0)
    assert sorted(paper_changes("one-pass-scr", "hr")) == pytest.approx(sorted(one_pass))
    assert sorted(paper_changes("scr", "chair_s"))[0] == pytest.approx(7.1 - 12.3)
    assert len(paper_changes("scr", "chair_i")) == 6  # without the average
    assert paper_changes("gaussian-noise", "hr") == pytest.approx([25.5 - 19.5])
    unprinted = {"dola": "hr", "vcd": "chair_s", "gaussian-noise": "accuracy", "one-pass-scr": "cider"}
    assert [paper_changes(method, column) for method, column in unprinted.items()] == [[]] * 4


def test_latencies_of_the_paper():
    assert (min(paper_latency("scr")), max(paper_latency("scr"))) == (43, 56)
    assert paper_latency("opera") == [267] and paper_latency("dola") == []


def test_cost_stands_beside_what_methods_declare():
    rows = [
        {"task": task, "item": k, "condition": name, "ms": ms * (k + 1), "n_tokens": tokens}
        for name, ms in (("opera", 26.0), ("vanilla", 1.0))
        for task, tokens in (("question", 0), ("caption", 2))
        for k in range(3)
    ]
    shown = cost_table(overhead_table(pd.DataFrame(rows)), ("vanilla", "scr", "opera")).set_index("method")
    assert shown.index.tolist() == ["vanilla", "opera"]
    declared = {row.name: row.traits for row in method_table()}
    assert shown.loc["opera", "forwards per token"] == declared["opera"].forwards_per_token
    assert shown.loc["opera", "per question / vanilla"] == "26.00 [26.00, 26.00]"
    assert shown.loc["opera", "ms per token"] == "26.0" and shown.loc["vanilla", "ms per question"] == "2.0"
    assert shown["paper, added ms"].tolist() == ["\N{EN DASH}", "267"]
