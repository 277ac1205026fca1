"""Every claim on evidence with known truth, its number computed by another route."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from synthetic_evidence import CONFIGS, make_answers, make_evidence

from scr_lens.analysis.rules import RULES
from scr_lens.report.claim import DESCRIBED, NOT_MEASURED
from scr_lens.report.claims.paper_numbers import paper_number, paper_numbers
from scr_lens.report.claims.registry import SECTIONS, assess, claims

NOT_RUN = ("SCR-chosen", "one-pass", "against-opera", "against-vcd", "against-avcd", "against-vli")
NOT_RUN += ("against-crops", "against-sid")


def one(evidence, claim_id):
    return next(claim for claim in claims() if claim.id == claim_id).assess(evidence)


@pytest.fixture(scope="module")
def evidence():
    return make_evidence(40)


@pytest.fixture(scope="module")
def results(evidence):
    return assess(evidence)


def rate(frame, condition, split="adversarial"):
    """False yes among absent objects, by plain loops."""
    hits = total = 0
    for row in frame.to_dict("records"):
        if row["condition"] == condition and split in row["splits"] and row["label"] == "no":
            total += 1
            hits += row["answer"] == "yes"
    return hits / total


def test_ids_are_unique_and_everything_is_told():
    known = claims()
    assert len({claim.id for claim in known}) == len(known)
    assert {claim.section for claim in known} == set(SECTIONS)
    assert set(paper_numbers()) <= {claim.id for claim in known}


def test_what_was_run_is_measured_and_the_rest_says_what_it_needs(results):
    missing = {name for name, found in results.items() if found.outcome == NOT_MEASURED}
    assert missing == set(NOT_RUN)
    assert results["one-pass"].caveats[0].startswith("needs condition one-pass-scr; the run holds")
    assert results["one-pass"].measured == "not measured"


@pytest.mark.parametrize(
    ("claim", "first", "second", "split"),
    [
        ("SCR", "vanilla", "scr", "adversarial"),
        ("SCR-popular", "vanilla", "scr", "popular"),
        ("SCR-random", "vanilla", "scr", "random"),
        ("uniform", "vanilla", "uniform-smooth", "adversarial"),
        ("guidance", "uniform-smooth", "scr", "adversarial"),
        ("topology-4", "scr-topology-4", "scr", "adversarial"),
        ("topology-radius-2", "scr-radius-2", "scr", "adversarial"),
        ("noise", "gaussian-noise", "vanilla", "adversarial"),
        ("noise-signal", "gaussian-noise", "scr", "adversarial"),
        ("once", "scr-once", "scr", "adversarial"),
        ("scrambled", "scr-scrambled", "scr", "adversarial"),
        ("norm-only", "norm-only", "scr", "adversarial"),
    ],
)
def test_contrasts_of_rates(evidence, results, claim, first, second, split):
    expected = rate(evidence.answers, first, split) - rate(evidence.answers, second, split)
    found = results[claim]
    assert found.estimate == pytest.approx(expected, abs=1e-12)
    assert found.low <= expected <= found.high
    assert found.outcome in ("supported", "inconclusive", "not supported")
    assert found.rule


def test_settings_that_were_chosen_and_are_the_paper_s_have_scr_s_answers(evidence, results):
    found = one(replace(evidence, chosen="scr"), "SCR-chosen")
    assert (found.estimate, found.outcome) == (results["SCR"].estimate, results["SCR"].outcome)
    assert "the settings chosen are the paper's own: these are the answers of SCR itself" in found.caveats


@pytest.mark.parametrize("label", ["yes", "no"])
def test_accuracy_on_one_kind_of_question_is_refused(evidence, label):
    answers = evidence.answers
    found = one(replace(evidence, answers=answers[answers["label"] == label]), "accuracy")
    assert found.outcome == NOT_MEASURED
    assert f"only those whose answer is {label!r}: ask both" in found.caveats[0]


def test_accuracy_and_flips(evidence, results):
    wide = evidence.answers.pivot(index=["image_id", "question"], columns="condition", values="answer")
    label = evidence.answers.drop_duplicates(["image_id", "question"]).set_index(["image_id", "question"])[
        "label"
    ]
    before, after = (wide[name] == label for name in ("vanilla", "scr"))
    assert results["accuracy"].estimate == pytest.approx(after.mean() - before.mean(), abs=1e-12)
    changed = wide["vanilla"] != wide["scr"]
    assert results["changed"].estimate == pytest.approx(changed.mean(), abs=1e-12)
    corrected = (after & ~before).sum()
    assert results["corrections"].estimate == pytest.approx(corrected / (after != before).sum(), abs=1e-12)


def test_identity_changes_nothing(results):
    assert results["identity"].estimate == 0
    assert results["identity"].outcome == DESCRIBED


def test_ef1_is_the_fisher_mean_over_early_layers(evidence, results):
    rows = evidence.credit.query("estimator == 'grad_dot' and layer < 3")
    expected = math.tanh(np.mean([math.atanh(r) for r in rows["pearson"]]))
    assert results["EF1-grad_dot"].estimate == pytest.approx(expected, abs=1e-12)
    assert results["EF1-grad_dot"].outcome == "supported"
    assert "layers 0-2" in results["EF1-grad_dot"].how


def test_p1_is_the_correlation_of_questions(evidence, results):
    rows = evidence.answers.query("condition == 'vanilla' and label == 'no'")
    entropy = rows["entropy_attention_nats"] / np.log(36)
    expected = np.corrcoef(entropy, rows["answer"] == "yes")[0, 1]
    assert results["P1"].estimate == pytest.approx(expected, abs=1e-12)
    norm = [row[:3].mean() / np.log(36) for row in rows["entropy_norm_nats"]]
    assert results["P1-norm"].estimate == pytest.approx(
        np.corrcoef(norm, rows["answer"] == "yes")[0, 1], abs=1e-12
    )


def test_entropy_groups_and_gains_by_quarter(evidence, results):
    frame = evidence.answers.query("label == 'no'")
    vanilla = frame.query("condition == 'vanilla'").reset_index(drop=True)
    after = frame.query("condition == 'scr'").set_index(["image_id", "question"])["answer"]
    entropy = vanilla["entropy_attention_nats"].to_numpy()
    quarter = np.searchsorted(np.quantile(entropy, [0.25, 0.5, 0.75]), entropy, side="right")
    false_yes = (vanilla["answer"] == "yes").to_numpy(float)
    keys = list(zip(vanilla["image_id"], vanilla["question"], strict=True))
    gain = false_yes - np.array([after[key] == "yes" for key in keys])
    expected = false_yes[quarter == 0].mean() - false_yes[quarter == 3].mean()
    assert results["P1-groups"].estimate == pytest.approx(expected, abs=1e-12)
    assert results["P2"].estimate == pytest.approx(gain[quarter == 0].mean() - gain[quarter == 3].mean())


def test_p3_compares_outer_thirds_of_images(evidence, results):
    frame = evidence.answers.query("label == 'no'")
    wide = frame.pivot(index=["image_id", "question"], columns="condition", values="answer").reset_index()
    rho = evidence.answers.drop_duplicates("image_id").set_index("image_id")["autocorrelation"]
    values = wide["image_id"].map(rho).to_numpy()
    third = np.searchsorted(np.quantile(values, [1 / 3, 2 / 3]), values, side="right")
    gain = (wide["vanilla"] == "yes").to_numpy(float) - (wide["scr"] == "yes").to_numpy(float)
    assert results["P3"].estimate == pytest.approx(gain[third == 2].mean() - gain[third == 0].mean())
    assert results["rho"].estimate == pytest.approx(rho.mean())


def test_p4_finds_the_inverted_u_that_was_put_in():
    grid = ("vanilla", "scr", *(name for name in CONFIGS if "lambda" in name))
    found = one(make_evidence(answers=make_answers(300, grid), credit=None), "P4")
    assert found.outcome == "supported"
    assert found.low > 0


def test_captions(evidence, results):
    wide = evidence.captions.pivot(index="image_id", columns="condition", values="n_hallucinated")
    expected = (wide["vanilla"] > 0).mean() - (wide["scr"] > 0).mean()
    assert results["CHAIR-s"].estimate == pytest.approx(expected)
    assert results["CHAIR-i"].estimate == pytest.approx(
        (wide["vanilla"] - wide["scr"]).sum() / (3 * len(wide))
    )
    assert results["CIDEr"].estimate == 0
    assert results["CIDEr"].outcome == "supported"


def test_norm_gain_at_the_last_layer_of_the_range(results):
    assert results["norm-gain"].estimate == pytest.approx(0.5)
    assert results["norm-gain"].outcome == "supported"
    assert results["nominal-gain"].estimate == pytest.approx(1 / 1.1 + 0.6 - 1)
    assert results["peak"].estimate == pytest.approx(1 / 1.11)


def test_entropy_change_and_cost(results):
    assert results["noise-entropy"].estimate == pytest.approx(0.1)
    assert results["SCR-entropy"].estimate == pytest.approx(0)
    assert results["cost"].estimate == pytest.approx(2.5)


def test_failure_patterns_against_counting(evidence, results):
    boxes = evidence.boxes.set_index(["image_id", "object"])
    small, errors = [], []
    for row in evidence.answers.query("condition == 'scr' and label == 'yes'").to_dict("records"):
        box = boxes.loc[(row["image_id"], row["object"])]
        small.append(box["width"] * box["height"] / 1e4 < 0.02)
        errors.append(row["answer"] != "yes")
    small, errors = np.array(small), np.array(errors, dtype=float)
    expected = errors[small].mean() - errors[~small].mean()
    assert results["errors-small"].estimate == pytest.approx(expected, abs=1e-12)


def test_the_best_other_setting_and_its_simultaneous_interval(evidence, results):
    names = ("scr-lambda-1.02", "scr-lambda-1.05", "scr-lambda-1.3", "scr-lambda-1.6")
    lead = {name: rate(evidence.answers, name) - rate(evidence.answers, "scr") for name in names}
    found = results["best-lambda"]
    assert found.estimate == pytest.approx(min(lead.values()), abs=1e-12)
    assert found.how.endswith(min(lead, key=lead.get))
    single = results["topology-4"]
    assert found.high - found.low > single.high - single.low


def test_heads_have_no_verdict_without_a_benefit():
    answers = make_answers(40, ("vanilla", "scr", "scr-heads-20"))
    vanilla = answers.query("condition == 'vanilla'").set_index(["image_id", "question"])["answer"]
    for name in ("scr", "scr-heads-20"):
        chosen = answers["condition"] == name
        keys = pd.MultiIndex.from_frame(answers.loc[chosen, ["image_id", "question"]])
        answers.loc[chosen, "answer"] = vanilla.reindex(keys).to_numpy()
    evidence = make_evidence(answers=answers, credit=None)
    heads, gain = one(evidence, "heads"), one(evidence, "SCR")
    lead = one(make_evidence(answers=_with_uniform(answers), credit=None), "guidance")
    assert lead.caveats[-1].startswith("SCR itself shows no clear reduction here")
    assert heads.outcome == DESCRIBED
    assert "no benefit to keep" in heads.caveats[0]
    assert gain.estimate == 0
    assert gain.low == -gain.high < -0.08  # nothing changed in 40 images: 1 - 0.025^(1/40)


def _with_uniform(answers):
    uniform = answers.query("condition == 'vanilla'").assign(condition="uniform-smooth")
    uniform["answer"] = ["yes" if k % 3 else "no" for k in range(len(uniform))]
    return pd.concat([answers, uniform], ignore_index=True)


def test_missing_evidence_is_named():
    none = dict.fromkeys(("credit", "captions", "boxes", "autocorrelation"))
    bare = make_evidence(answers=make_answers(12, ("vanilla", "scr")), **none)
    for name, what in {
        "EF1-grad_norm": "needs credit by grad_norm",
        "CIDEr": "needs captions under vanilla and scr",
        "errors-edge": "needs the boxes of the objects",
        "P3": "needs the autocorrelation of the images",
        "P4": "needs SCR at 4 strengths above 1 or more (a lambda grid); the run has 1.1",
        "topology-4": "needs SCR with topology = 4; the run has topology = 8",
        "best-K": "needs SCR with another number of sources",
        "noise": "needs condition gaussian-noise; the run holds scr, vanilla",
    }.items():
        found = one(bare, name)
        assert found.outcome == NOT_MEASURED
        assert found.caveats[0].startswith(what)


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("SCR", "+4.7 to +6.0 pp"),
        ("guidance", "+2.1 to +3.0 pp"),
        ("CHAIR-s", "+3.7 to +5.2 pp"),
        ("CIDEr", "\N{MINUS SIGN}0.8 to \N{MINUS SIGN}0.6 points"),
        ("topology-4", "+3.0 pp"),
        ("noise", "+6.0 pp"),
        ("P2", "+7.4 pp"),
        ("once", "\N{EN DASH}"),
    ],
)
def test_the_papers_numbers(claim, text):
    assert paper_number(claim) == text


def test_every_verdict_has_a_rule(results):
    for found in results.values():
        if found.prediction is not None:
            assert found.prediction.name in RULES
            assert found.outcome == found.prediction.verdict
