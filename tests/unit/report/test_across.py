from dataclasses import replace

import pytest

from scr_lens.analysis.verdict import conclude
from scr_lens.report.across import build_index, corrected
from scr_lens.report.claim import NOT_MEASURED, ClaimResult, R, with_prediction
from scr_lens.report.claims.registry import claims
from scr_lens.report.markdown import to_markdown


def results(p_value):
    empty = {
        claim.id: ClaimResult(claim=claim.claim, paper=claim.paper, unit=claim.unit, outcome=NOT_MEASURED)
        for claim in claims()
    }
    found = conclude(
        "SCR",
        interval=(0.05, 0.01, 0.09),
        p_value=p_value,
        size=(10, 30),
        estimator="e",
        detectable_effect=0.05,
    )
    return empty | {"SCR": with_prediction(empty["SCR"], found)}


def test_holm_over_models_weakens_what_does_not_hold():
    found = corrected({"a": results(0.04), "b": results(0.001)})
    assert found["a"]["SCR"].outcome == "supported"  # 0.04 x 1 after 0.001 x 2
    found = corrected({"a": results(0.04), "b": results(0.03)})
    assert found["a"]["SCR"].outcome == found["b"]["SCR"].outcome == "inconclusive"
    assert found["a"]["SCR"].prediction.p_value == pytest.approx(0.06)
    assert found["a"]["P1"].outcome == NOT_MEASURED


def test_one_model_is_left_alone():
    only = {"a": results(0.04)}
    assert corrected(only)["a"]["SCR"] == only["a"]["SCR"]


def test_the_index_counts_and_links():
    text = to_markdown(
        build_index({"b": results(0.001), "a": results(0.2)}, {"a": "Only here.", "b": "Only here."})
    )
    assert "supported on 1, inconclusive on 1 of 2 models" in text
    assert text.count("Only here.") == 1
    assert "(a/report.md)" in text
    assert text.index("(a/report.md)") < text.index("(b/report.md)")


def test_models_without_a_number_are_counted_as_such():
    found = results(0.001)
    without = found | {"SCR": found["P1"]}  # not measured, as all but SCR are here
    text = to_markdown(build_index({"a": found, "b": without}, {}))
    assert "supported on 1, not measured on 1 of 2 models" in text


def test_numbers_without_a_test_are_not_corrected():
    half = {"a": results(0.04), "b": results(float("nan"))}
    half["b"]["SCR"] = replace(half["b"]["SCR"], unit=R)
    assert corrected(half)["a"]["SCR"].outcome == "supported"
