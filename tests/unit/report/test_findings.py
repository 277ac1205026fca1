"""Findings of the causal tests side by side: one row each, one column per model, Holm over models."""

import numpy as np
import pytest

from scr_lens.analysis.causal.rules import conclude_causal
from scr_lens.analysis.interval import Interval
from scr_lens.causal import Outcome
from scr_lens.report.causal import CausalPart
from scr_lens.report.disclosures import AFTER_DATA
from scr_lens.report.document import Document
from scr_lens.report.findings import corrected_findings, findings_across
from scr_lens.report.markdown import to_markdown

PROXY = "grad_norm, mean over layers {}"


def finding(rule, estimator, ends, p_value):
    low, high = ends
    interval = Interval((low + high) / 2, low, high, 0.1, 9, "linearized")
    return conclude_causal(rule, interval, p_value, 9, estimator=estimator)


def part(name, *findings):
    return CausalPart(name, name, Outcome(findings, {}, {}))


def proxy(layers, p_value):
    return part("credit", finding("credit proxy", PROXY.format(layers), (0.6, 0.8), p_value))


def cells(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").replace("\\", "").split(" | ")] for line in lines]


def test_models_of_different_depth_share_a_row_and_holm_weakens_it():
    (key, results), *rest = corrected_findings(
        {"a": [proxy("0, 2, 4, 6", 0.04)], "b": [proxy("0, 3", 0.03)]}
    ).items()
    assert not rest and key == ("credit", "credit proxy", "grad_norm")
    assert [results[model].p_value for model in "ab"] == pytest.approx([0.06, 0.06])  # 2 x 0.03
    assert {result.verdict for result in results.values()} == {"inconclusive"}
    (results,) = corrected_findings({"a": [proxy("0, 2", 0.04)], "b": [proxy("0", 0.001)]}).values()
    assert [results[model].verdict for model in "ab"] == ["supported", "supported"]


def test_what_was_not_estimated_does_not_count_as_a_test():
    nothing = part("credit", finding("credit proxy", "grad_norm", (np.nan, np.nan), 1.0))
    (results,) = corrected_findings({"a": [proxy("0, 2", 0.04)], "b": [nothing]}).values()
    assert results["a"].verdict == "supported" and results["a"].p_value == 0.04


def test_the_table_has_a_cell_for_every_model():
    dose = part("dose", finding("entropy effect", "scr as instrument", (np.nan, np.nan), 1.0))
    prior = part("prior", finding("scene prior", "vanilla", (0.1, 0.2), 0.001))
    missing = CausalPart("credit", "credit", None, "it was not run")
    causal = {"b": [proxy("0", 0.001), dose], "a": [missing, prior]}
    document = Document("title", tuple(findings_across(causal, ["a", "b"])))
    head, _, *rows = cells(to_markdown(document))
    assert head == ["test", "finding", "a", "b"]
    assert rows == [
        ["credit", "credit proxy (grad_norm)", "not measured", "0.700 [0.600, 0.800] rho: supported"],
        ["dose", f"entropy effect (scr as instrument) {AFTER_DATA}", "not measured", "not estimated"],
        ["prior", "scene prior (vanilla)", "0.150 [0.100, 0.200] rate: supported", "not measured"],
    ]


def test_without_any_it_is_said():
    (line,) = findings_across({"a": [CausalPart("dose", "dose", None, "it was not run")]}, ["a"])
    assert line.text == "not measured: the causal tests were not run on any model"
