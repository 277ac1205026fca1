import pytest

from scr_lens.analysis.verdict import (
    RULES,
    VerdictRule,
    conclude,
    correct_for_models,
    decide,
    rule_of,
    rules_table,
)
from scr_lens.errors import DataError


def result(name="P2", low=0.02, high=0.1, p=0.01):
    return conclude(
        name,
        interval=((low + high) / 2, low, high),
        p_value=p,
        size=(100, 300),
        estimator="attention",
        detectable_effect=0.05,
        caveats=("first",),
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.05, "supported"),
        (-0.02, 0.05, "inconclusive"),
        (-0.02, 0.009, "not supported"),
        (-0.2, -0.1, "not supported"),
        (0.001, 0.009, "not supported"),
        (0.0, 0.05, "inconclusive"),
        (float("nan"), 0.05, "inconclusive"),
    ],
)
def test_positive_claim(low, high, verdict):
    assert decide(RULES["P2"], low, high) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.3, -0.05, "supported"),
        (-0.3, 0.05, "inconclusive"),
        (-0.09, 0.05, "not supported"),
        (0.1, 0.3, "not supported"),
    ],
)
def test_negative_claim_is_the_mirror_image(low, high, verdict):
    assert decide(RULES["P1"], low, high) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.51, 0.8, "supported"), (0.4, 0.6, "inconclusive"), (0.2, 0.49, "not supported")],
)
def test_claim_with_a_threshold(low, high, verdict):
    assert decide(RULES["EF1"], low, high) == verdict


def test_interval_ends_in_the_wrong_order_are_refused():
    with pytest.raises(DataError, match="lower end first"):
        decide(RULES["P1"], 0.2, 0.1)


def test_rules_print_what_they_do():
    assert str(RULES["P1"]) == (
        "P1: supported if the 95% interval of the per-question point-biserial r between entropy and"
        " false yes lies below 0 and reaches <= -0.1 (r); not supported if it does not reach -0.1;"
        " otherwise inconclusive"
    )
    table = rules_table()
    assert set(table["name"]) == set(RULES) >= {"EF1", "P1", "P2", "P3", "P4"}
    assert (table["rule"] == [str(rule) for rule in RULES.values()]).all()


def test_result_carries_rule_unit_and_row():
    found = result()
    assert found.verdict == "supported"
    assert found.rule == str(RULES["P2"])
    assert found.unit == "rate"
    assert found.to_row()["caveats"] == "first"
    assert found.to_row()["n_images"] == 100


def test_holm_weakens_a_verdict_that_does_not_survive():
    results = {"a": result(p=0.001), "b": result(p=0.03), "c": result(low=-0.1, p=0.4)}
    corrected = correct_for_models(results)
    assert [corrected[model].verdict for model in "abc"] == ["supported", "inconclusive", "inconclusive"]
    assert corrected["b"].p_value == pytest.approx(0.06)
    assert "Holm-adjusted over 3 models" in corrected["b"].caveats[-1]


def test_holm_never_turns_a_refutation_around():
    refuted = result(low=-0.2, high=-0.1, p=0.0001)
    assert correct_for_models({"a": refuted, "b": refuted})["a"].verdict == "not supported"


def test_refusals():
    with pytest.raises(DataError, match=r"claims \['P1', 'P2'\]"):
        correct_for_models({"a": result("P1"), "b": result("P2")})
    with pytest.raises(DataError, match="unknown claim 'P9'"):
        rule_of("P9")
    with pytest.raises(DataError, match="must not lie before"):
        VerdictRule(name="x", claim="", quantity="", sign=1, threshold=0.1, relevant=0.0, unit="")
