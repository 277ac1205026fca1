"""What was decided after data had been seen stands next to the verdicts that it concerns."""

import re

import numpy as np
import pytest
from synthetic_evidence import make_answers, make_evidence

from scr_lens.analysis.causal.rules import conclude_causal
from scr_lens.analysis.interval import Interval
from scr_lens.causal import TESTS, Outcome
from scr_lens.report.across import build_index
from scr_lens.report.build import Drawn, build_report
from scr_lens.report.causal import CausalPart
from scr_lens.report.claims.registry import assess, claims
from scr_lens.report.disclosures import (
    AFTER_DATA,
    CAUSAL_DISCLOSURES,
    CLAIM_DISCLOSURES,
    all_disclosures,
)
from scr_lens.report.markdown import escaped, to_markdown

NOTHING = Drawn(pictures={}, tables={}, missing={})


@pytest.fixture(scope="module")
def evidence():
    return make_evidence(answers=make_answers(12, ("vanilla", "scr")), steps=None)


def part_of(name, estimate):
    interval = Interval(estimate, estimate - 0.2, estimate + 0.1, 0.1, 9, "linearized")
    rule = {"dose": "entropy effect", "prior": "scene prior"}[name]
    caveats = ("no instrument here",)
    finding = conclude_causal(rule, interval, 0.5, 9, estimator="an estimator", caveats=caveats)
    return CausalPart(name, name, Outcome((finding,), {}, {}, ("a remark",)))


def test_they_concern_what_exists():
    assert set(CAUSAL_DISCLOSURES) <= set(TESTS)
    assert set(CLAIM_DISCLOSURES) <= {claim.id for claim in claims()}


def test_a_report_says_them_by_the_verdict_and_with_the_rules(evidence):
    parts = (part_of("dose", -0.05), part_of("prior", 0.05))
    text = to_markdown(build_report(evidence, assess(evidence), NOTHING, parts))
    summary = [line for line in text.splitlines() if "(an estimator)" in line]
    assert [AFTER_DATA in line for line in summary] == [True, False]
    assert "\N{MINUS SIGN}0.050 \\[\N{MINUS SIGN}0.250, 0.050\\]" in summary[0]
    for disclosure in all_disclosures():
        assert escaped(disclosure) in text
    for disclosure in CAUSAL_DISCLOSURES["dose"]:
        assert f"- {escaped(disclosure)}" in text
    assert "- a remark" in text


def test_a_finding_without_a_number_says_why(evidence):
    text = to_markdown(build_report(evidence, assess(evidence), NOTHING, (part_of("dose", np.nan),)))
    assert "not estimated, no instrument here" in text
    assert not re.search(r"\bnan\b", text.partition("Causal tests")[2].partition("What was run")[0])


def test_the_index_says_them_and_counts_in_words(evidence):
    text = to_markdown(build_index({"one": assess(evidence)}, {}))
    assert "1 model. Verdicts" in text and "of 1 model\n" in text
    for disclosure in all_disclosures():
        assert escaped(disclosure) in text
