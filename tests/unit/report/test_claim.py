import pytest

from scr_lens.analysis.conditions import MissingEvidenceError
from scr_lens.analysis.verdict import conclude
from scr_lens.report.claim import DESCRIBED, NOT_MEASURED, POINTS, Claim, Described, R, Unit


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        (POINTS, 0.0123, "+1.2"),
        (POINTS, -0.0123, "\N{MINUS SIGN}1.2"),
        (POINTS, -0.00001, "0.0"),
        (R, -0.5, "\N{MINUS SIGN}0.500"),
        (R, float("nan"), "\N{EN DASH}"),
        (Unit("", 1, 4), 0.90091, "0.9009"),
    ],
)
def test_numbers_are_printed_in_their_unit(unit, value, text):
    assert unit.show(value) == text


def test_interval_is_left_out_when_there_is_none():
    assert POINTS.interval(0.01, 0.0, 0.02) == "+1.0 [0.0, +2.0] pp"
    assert POINTS.interval(0.01, float("nan"), float("nan")) == "+1.0 pp"


def claim(test):
    return Claim(id="x", section="benefit", claim="it helps", paper="+5 pp", unit=POINTS, test=test)


def test_a_tested_claim_takes_over_the_result():
    tested = conclude(
        "SCR",
        interval=(0.05, 0.03, 0.07),
        p_value=0.001,
        size=(10, 30),
        estimator="e",
        detectable_effect=0.02,
    )
    found = claim(lambda evidence: tested).assess(None)
    assert (found.outcome, found.measured, found.n_images) == ("supported", "+5.0 [+3.0, +7.0] pp", 10)
    assert found.detectable_text == "+2.0 pp"
    assert found.prediction is tested


def test_a_described_claim_has_no_rule():
    found = claim(lambda evidence: Described(estimate=0.01, n_images=3)).assess(None)
    assert (found.outcome, found.rule, found.detectable_text) == (DESCRIBED, "", "\N{EN DASH}")


def test_missing_evidence_becomes_a_line():
    def test(evidence):
        raise MissingEvidenceError("needs a thing")

    found = claim(test).assess(None)
    assert (found.outcome, found.measured, found.caveats) == (
        NOT_MEASURED,
        "not measured",
        ("needs a thing",),
    )
