"""Claims read from the comparison: values by hand, one run at a time, and what is said without one."""

import json
import math
import statistics

import pandas as pd
import pytest

from scr_lens.evidence import Comparison, Evidence
from scr_lens.report.claim import DESCRIBED, NOT_MEASURED
from scr_lens.report.claims.registry import claims

T_5 = 2.570582  # 97.5% quantile of Student's t with 5 degrees of freedom

OWN = {"vanilla": "yy yy yy yy yy yy", "scr": "nn nn nn nn nn nn"}
COMPARED = {
    "vanilla": "yy yn nn yn nn nn",
    "scr": "yn nn nn yn nn nn",
    "one-pass-scr": "yn nn nn nn nn nn",
    "opera": "yy yn nn yn nn yy",
    "vcd": "yy nn nn nn nn nn",
    "vcd-seed-1": "nn nn yy ny nn nn",
    "sid": "yn nn nn yn nn nn",
}
"""Answers about two absent objects in each of six images."""


def frame(answers, **columns):
    rows = []
    for name, text in answers.items():
        method, _, seed = name.partition("-seed-")
        settings = {"method": method, "seed": int(seed or 0)}
        for image, letters in enumerate(text.split()):
            for number, letter in enumerate(letters):
                cells = {"image_id": f"{image}.png", "question": f"q{number}", "label": "no", "status": "ok"}
                cells |= {"condition": name, "config_json": json.dumps(settings), "splits": ("adversarial",)}
                rows.append({**cells, "answer": {"y": "yes", "n": "no"}[letter], **columns})
    return pd.DataFrame(rows)


def timed(**columns):
    rows = [
        ("question", f"{k}.png q", name, ms, 0)
        for name, times in columns.items()
        for k, ms in enumerate(times)
    ]
    return pd.DataFrame(rows, columns=["task", "item", "condition", "ms", "n_tokens"])


def comparison(answers=COMPARED, times=None, left_out=None):
    return Comparison(
        name="compare-x", begun="2026-01-31", answers=frame(answers), left_out=left_out or {}, times=times
    )


def evidence(own=OWN, found=None, **more):
    answers = frame(own, wall_ms=7.0)
    answers.loc[answers["condition"] == "scr", "wall_ms"] = 700.0
    times = more.pop("times", None if found is None else found.times)
    return Evidence(name="tiny", answers=answers, comparison=found, times=times, **more)


def one(known, claim_id):
    return next(claim for claim in claims() if claim.id == claim_id).assess(known)


def by_hand(per_image):
    """Mean over images of equally many questions, with Student's interval."""
    mean, error = statistics.mean(per_image), statistics.stdev(per_image) / math.sqrt(len(per_image))
    return mean, mean - T_5 * error, mean + T_5 * error


@pytest.mark.parametrize(
    ("claim", "per_image"),
    [
        ("against-opera", (0.5, 0.5, 0, 0, 0, 1)),  # false yes of OPERA minus of SCR, per image
        ("one-pass", (0.5, 0.5, 0, 0.5, 0, 0)),  # vanilla minus One-Pass SCR
        # VCD's two seeds minus SCR: (+0.5, 0, 0, -0.5, 0, 0) and (-0.5, 0, 1, 0, 0, 0)
        ("against-vcd", (0, 0, 0.5, -0.25, 0, 0)),
    ],
)
def test_both_conditions_come_from_the_comparison(claim, per_image):
    found = one(evidence(found=comparison()), claim)
    mean, low, high = by_hand(per_image)
    assert found.estimate == pytest.approx(mean, abs=1e-12)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-5), pytest.approx(high, abs=1e-5))
    assert (found.n_images, found.n_questions) == (6, 12)
    assert found.caveats[-1] == (
        "measured in compare-x, a run of its own of the same revision (6 images, begun 2026-01-31): both "
        "conditions of the pair are from it, none from this run"
    )
    assert ("mean of 2 seeds" in found.how) == (claim == "against-vcd")


def test_what_the_run_holds_is_not_taken_from_the_comparison():
    own = OWN | {"opera": "yy nn nn nn nn nn"}
    found = one(evidence(own, comparison()), "against-opera")
    assert found.estimate == pytest.approx(2 / 12)
    assert not any("compare-x" in caveat for caveat in found.caveats)
    assert one(evidence(found=comparison()), "SCR").estimate == 1  # the run's own, every false yes removed


def test_nothing_changed_keeps_its_bound_and_harm_is_called_harm():
    none = one(evidence(found=comparison()), "against-sid")
    assert none.estimate == 0 and none.high == pytest.approx(1 - 0.025 ** (1 / 6))
    harmful = COMPARED | {"crops": "yy yy yy yy yy yy"}
    for scr, is_help in ((COMPARED["vanilla"], False), ("nn nn nn nn nn nn", True)):
        before = {"vanilla": "yy yy ny yy yn yy"} if is_help else {}
        found = one(evidence(found=comparison(harmful | before | {"scr": scr})), "against-crops")
        assert found.outcome == "supported"
        told = any("read it as harm by the method, not help by SCR" in caveat for caveat in found.caveats)
        assert told is not is_help


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, ""),
        ({"no_comparison": "old is of revision r0, not r1"}, "old is of revision r0, not r1; "),
    ],
)
def test_without_a_comparison_the_command_is_named(more, reason):
    known = evidence(**more)
    for claim, condition in {"against-opera": "opera", "one-pass": "one-pass-scr"}.items():
        found = one(known, claim)
        assert (found.outcome, math.isnan(found.estimate)) == (NOT_MEASURED, True)
        words = f"needs condition {condition}; the run holds scr, vanilla; {reason}`scr-lens compare tiny` "
        assert found.caveats == (words + "measures it",)
    found = one(known, "cost")
    assert found.outcome == NOT_MEASURED
    assert found.caveats[0].endswith(f"{reason}`scr-lens compare tiny` measures it")


def test_a_method_that_the_comparison_lacks_says_why():
    known = evidence(found=comparison(left_out={"vli": "left out on request"}))
    words = "needs condition vli; the run holds scr, vanilla; compare-x lacks vli: left out on request"
    assert one(known, "against-vli").caveats == (words,)
    assert (
        one(known, "against-avcd")
        .caveats[0]
        .endswith("compare-x lacks avcd: add it with `scr-lens compare tiny`")
    )


def test_cost_is_the_median_ratio_of_methods_alone():
    times = timed(
        vanilla=(10.0, 20.0, 40.0), scr=(20.0, 50.0, 60.0)
    )  # ratios 2, 2.5, 1.5; 10, 30, 20 ms more
    found = one(evidence(found=comparison(times=times)), "cost")
    assert (found.outcome, found.estimate, found.measured) == (DESCRIBED, 2.0, "2.000 times")
    assert (found.n_images, found.n_questions) == (3, 3)
    assert found.how == ("median of 3 paired ratios, quartiles 1.75 to 2.25; 20.0 ms alone, SCR 20.0 ms more")
    assert found.caveats[0] == "timed in compare-x, of the same revision, begun 2026-01-31"
    own = one(evidence(found=comparison(), times=times), "cost")
    assert own.estimate == 2.0 and not any("compare-x" in caveat for caveat in own.caveats)


@pytest.mark.parametrize("times", [timed(scr=(20.0, 50.0)), timed(vanilla=(10.0,), scr=(20.0,))])
def test_too_few_times_measure_nothing(times):
    found = one(evidence(found=comparison(times=times)), "cost")
    assert found.outcome == NOT_MEASURED
    assert found.caveats[0].startswith("needs the times of vanilla and scr, each alone")
