"""Figures and tables of the paper from evidence with known truth."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from synthetic_evidence import make_answers, make_evidence

from scr_lens.errors import ConfigError
from scr_lens.figures.paper import PAPER_FIGURES, PAPER_TABLES, find_entry, write_entries
from scr_lens.figures.table_text import to_csv

ENTRIES = {**PAPER_FIGURES, **PAPER_TABLES}


@pytest.fixture(scope="module")
def evidence():
    return make_evidence(40)


@pytest.fixture(scope="module")
def numbers(evidence):
    return {name: entry.collect(evidence) for name, entry in ENTRIES.items()}


def false_yes_rate(frame, condition):
    rows = frame[(frame["condition"] == condition) & (frame["label"] == "no")]
    return float((rows["answer"] == "yes").mean())


@pytest.mark.parametrize("name", PAPER_FIGURES)
def test_every_figure_is_drawn_from_its_stored_numbers_alone(numbers, name, tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text(to_csv(numbers[name]))
    figure = PAPER_FIGURES[name].draw(pd.read_csv(path, keep_default_na=True))
    assert figure.axes
    words = " ".join(text.get_text() for text in figure.findobj() if hasattr(text, "get_text"))
    assert "95%" in words
    assert "images" in words or "questions" in words
    assert {"paper", "measured"} <= set(numbers[name]["source"])


@pytest.mark.parametrize("name", PAPER_FIGURES)
def test_the_footnote_lies_under_all_else(numbers, name):
    figure = PAPER_FIGURES[name].draw(numbers[name])
    figure.draw_without_rendering()
    (footnote,) = [text for text in figure.texts if "95%" in text.get_text()]
    top = footnote.get_window_extent().y1
    assert top <= min(axes.get_tightbbox().y0 for axes in figure.axes if axes.get_visible()) + 1


@pytest.mark.parametrize("name", ENTRIES)
def test_the_paper_and_we_stand_side_by_side(numbers, name):
    assert set(numbers[name]["source"]) == {"paper", "measured"}
    assert ENTRIES[name].description.endswith(".")


def test_figure_2_holds_the_rates(evidence, numbers):
    table = numbers["figure-2"].query("source == 'measured' and split == 'adversarial'").set_index("method")
    for method in ("vanilla", "scr", "uniform-smooth"):
        assert table.loc[method, "estimate"] == pytest.approx(false_yes_rate(evidence.answers, method))
    paper = numbers["figure-2"].query("source == 'paper' and model == 'Qwen-VL' and split == 'random'")
    assert paper.set_index("method")["estimate"].to_dict() == pytest.approx({"vanilla": 0.115, "scr": 0.079})


def test_figure_2_has_no_row_for_a_split_that_a_method_was_not_asked_about(evidence):
    answers = evidence.answers
    uniform = answers["condition"].eq("uniform-smooth")
    splits = [("adversarial",) if alone else ("adversarial", "random") for alone in uniform]
    asked = replace(evidence, answers=answers.assign(splits=splits))
    table = PAPER_FIGURES["figure-2"].collect(asked).query("source == 'measured'")
    held = table.groupby("split")["method"].agg(set).to_dict()
    assert held == {
        "adversarial": {"vanilla", "scr", "uniform-smooth"},
        "random": {"vanilla", "scr"},
    }


def test_figure_4_holds_rates_entropies_and_reductions(evidence, numbers):
    rates = numbers["figure-4a"].query("source == 'measured'").set_index("label")["estimate"]
    for label, name in {"8": "scr", "4": "scr-topology-4", "radius 2": "scr-radius-2"}.items():
        assert rates[label] == pytest.approx(false_yes_rate(evidence.answers, name))
    noise = numbers["figure-4b"].query("source == 'measured'").set_index("label")["entropy_nats"]
    assert noise["Gaussian noise"] - noise["vanilla"] == pytest.approx(0.1)
    heads = numbers["figure-4c"].query("source == 'measured'").set_index("label")["estimate"]
    vanilla = false_yes_rate(evidence.answers, "vanilla")
    assert heads["20%"] == pytest.approx(vanilla - false_yes_rate(evidence.answers, "scr-heads-20"))


def test_all_conditions_are_sorted_by_their_gain(evidence, numbers):
    table = numbers["all-conditions"].query("source == 'measured'")
    assert (table["estimate"].diff().dropna() <= 1e-12).all()
    vanilla = false_yes_rate(evidence.answers, "vanilla")
    for name, gain in zip(table["label"], table["estimate"], strict=True):
        assert gain == pytest.approx(vanilla - false_yes_rate(evidence.answers, name))


def test_layer_curves(numbers):
    gains = numbers["c2-norm-gain"].query("source == 'measured' and series == 'scr'")
    assert np.allclose(gains["estimate"], 1.5)
    credit = numbers["c1-norm-credit"].query("source == 'measured' and series == 'grad_dot'")
    assert len(credit) == 6
    assert credit["is_early"].astype(bool).sum() == 3


def test_lines_of_p4_meet_the_gains(numbers):
    table = numbers["p4-strength"].query("source == 'measured'")
    gains = table[table["kind"] == "gain"]
    assert gains["lambda"].tolist() == [1.0, 1.02, 1.05, 1.1, 1.3, 1.6]
    one = gains.set_index("lambda").loc[1.0]
    assert one["estimate"] == one["ci_low"] == one["ci_high"] == 0
    first, second = (table[table["kind"] == name] for name in ("line 1", "line 2"))
    assert first["lambda"].iloc[1] == second["lambda"].iloc[0]


def test_tables_hold_percent(evidence, numbers):
    main = numbers["table-1"].query("source == 'measured'").set_index("method")
    assert main.loc["vanilla", "hr"] == pytest.approx(100 * false_yes_rate(evidence.answers, "vanilla"))
    assert main.loc["SCR", "hr_reduction"] == pytest.approx(main.loc["vanilla", "hr"] - main.loc["SCR", "hr"])
    assert main.loc["SCR", "hr_reduction_low"] < main.loc["SCR", "hr_reduction"]
    assert len(numbers["table-1"].query("source == 'paper'")) == 36
    chair = numbers["table-5"].query("source == 'measured'").iloc[0]
    assert (chair["chair_s_vanilla"], chair["chair_s_scr"]) == pytest.approx((50, 25))


def test_files_repeat_byte_for_byte_and_have_a_provenance(evidence, tmp_path):
    entries = [find_entry("figure-3"), find_entry("table-3")]
    first, second = (write_entries(entries, evidence, tmp_path / name) for name in "ab")
    assert [path.suffix for outcome in first for path in outcome.files] == [
        ".png",
        ".pdf",
        ".csv",
        ".md",
        ".csv",
    ]
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one.files, other.files, strict=True):
            assert a.read_bytes() == b.read_bytes()
    known = json.loads((tmp_path / "a" / "provenance.json").read_text())["figures"]
    assert known["table-3"]["origin"]["rows"] == len(evidence.answers)


def test_what_a_run_lacks_is_said(tmp_path):
    bare = make_evidence(
        answers=make_answers(12, ("vanilla", "scr")),
        credit=None,
        captions=None,
        boxes=None,
        autocorrelation=None,
    )
    names = (
        "figure-4a",
        "figure-4b",
        "figure-4c",
        "p3-autocorrelation",
        "p4-strength",
        "failures",
        "table-5",
    )
    outcomes = write_entries([find_entry(name) for name in names], bare, tmp_path)
    assert all(not outcome.files and outcome.missing.startswith("needs ") for outcome in outcomes)
    assert not list(tmp_path.iterdir())


def test_unknown_id_names_the_closest():
    with pytest.raises(ConfigError, match="unknown figure or table 'figure-5'; did you mean 'figure-"):
        find_entry("figure-5")
