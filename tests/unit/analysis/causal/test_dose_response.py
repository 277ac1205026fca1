import numpy as np
import pandas as pd
import pytest

from scr_lens.analysis.causal.dose_response import dose_response
from scr_lens.errors import DataError

DOSES = (0.5, 0.8, 1.25, 2.0)


def records(
    effects: dict[str, float], *, n_images: int = 60, moves: float = 0.05, seed: int = 0
) -> pd.DataFrame:
    """Instruments that move entropy by `moves` per log dose, and p(yes) by `effect` times the change.

    p(yes) and entropy of an image share a cause, so without any instrument they go together anyway.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for image in range(n_images):
        clutter = rng.normal()
        for number in range(4):
            entropy = 0.9 - 0.02 * clutter + 0.005 * rng.normal()
            p = 0.4 + 0.05 * clutter + 0.02 * rng.normal()
            head = {
                "image_id": f"i{image}",
                "question": f"q{number}",
                "label": ("no", "no", "no", "yes")[number],
            }
            rows.append({**head, "instrument": "none", "dose": 1.0, "p": p, "h": entropy})
            for name, effect in effects.items():
                for dose in DOSES:
                    shift = moves * np.log(dose) * (1 + 0.3 * rng.normal())
                    rows.append(
                        {
                            **head,
                            "instrument": name,
                            "dose": dose,
                            "p": p + effect * shift + 0.004 * rng.normal(),
                            "h": entropy + shift,
                        }
                    )
    frame = pd.DataFrame(rows).rename(columns={"p": "p_yes", "h": "entropy_attention"})
    return frame.assign(answer=np.where(frame["p_yes"] > 0.5, "yes", "no"))


def test_a_true_effect_is_found_with_its_size_by_both_instruments():
    found = dose_response(records({"a": -0.8, "b": -0.8}))
    for result in found.findings:
        assert result.verdict == "supported"
        assert result.ci_low < -0.8 * found.sd < result.ci_high
    assert found.overall == "supported"
    assert found.disagreement["a minus b"].interval.contains(0.0)


def test_an_association_without_an_effect_gives_no_verdict_for_it():
    found = dose_response(records({"a": 0.0, "b": 0.0}))
    assert found.association.interval.high < -0.01
    assert [result.verdict for result in found.findings] == ["not supported", "not supported"]
    assert found.overall == "not supported"


def test_instruments_that_disagree_refute_entropy_as_the_path():
    found = dose_response(records({"a": -1.0, "b": 0.5}))
    assert [result.verdict for result in found.findings] == ["supported", "not supported"]
    assert found.overall == "not supported" and "a minus b" in found.reason
    assert found.disagreement["a minus b"].interval.estimate == pytest.approx(-1.5 * found.sd, rel=0.1)


def test_one_instrument_alone_is_not_enough():
    found = dose_response(records({"a": -0.8}))
    assert found.findings[0].verdict == "supported"
    assert found.overall == "inconclusive" and "one instrument alone" in found.reason


def test_an_instrument_that_moves_nothing_has_no_effect_to_report():
    found = dose_response(records({"a": -0.8}, moves=1e-5))
    (result,) = found.findings
    assert np.isnan(result.estimate) and result.verdict == "inconclusive"
    assert "no instrument" in result.caveats[0] and found.overall == "inconclusive"
    assert "effect per sd" not in set(found.slopes["quantity"])


def test_doses_that_move_entropy_the_same_way_on_both_sides_are_no_instrument():
    """As norms do under SCR: any strength other than 1 makes them less even."""
    frame = records({"a": 0.0})
    x = np.log(frame["dose"])
    bent = frame.assign(
        entropy_attention=frame["entropy_attention"] + 0.02 * x - 0.05 * np.abs(x),
        p_yes=frame["p_yes"] - 0.1 * x,
    )
    (result,) = dose_response(bent).findings
    assert np.isfinite(result.estimate)  # steeper below 1 than above, but the same way
    bent["entropy_attention"] = frame["entropy_attention"] - 0.04 * x - 0.05 * np.abs(x)
    found = dose_response(bent)
    (result,) = found.findings
    assert np.isnan(result.estimate) and "move this entropy the same way" in result.caveats[0]
    assert found.overall == "inconclusive" and found.reason == "no instrument moves this entropy"


def test_the_cost_on_present_objects_is_said():
    found = dose_response(records({"a": -0.8}))
    notes = [caveat for caveat in found.findings[0].caveats if caveat.startswith("on present objects")]
    assert len(notes) == 1 and f"{-0.8 * found.sd:+.3f}"[:5] in notes[0]


def test_tables_equal_plain_arithmetic():
    frame = records({"a": -0.8}, n_images=5)
    found = dose_response(frame)
    wide = frame.pivot(index=["image_id", "question"], columns="dose", values="p_yes")
    labels = frame.groupby(["image_id", "question"])["label"].first()
    for label, quantity in (("no", "p_yes absent"), ("yes", "p_yes present")):
        part = wide[labels == label]
        row = found.doses[(found.doses["dose"] == 2.0) & (found.doses["quantity"] == quantity)].iloc[0]
        assert row["estimate"] == pytest.approx((part[2.0] - part[1.0]).mean())
        assert row["baseline"] == pytest.approx(part[1.0].mean())
    absent = frame[frame["label"] == "no"]
    entropy = absent.pivot(index=["image_id", "question"], columns="dose", values="entropy_attention")
    p = wide[labels == "no"]
    top = sum(np.log(d) * (p[d] - p[1.0]).sum() for d in DOSES)
    bottom = sum(np.log(d) * (entropy[d] - entropy[1.0]).sum() for d in DOSES)
    assert found.findings[0].estimate == pytest.approx(found.sd * top / bottom)
    untouched = absent[absent["instrument"] == "none"]
    slope = np.polyfit(untouched["entropy_attention"], untouched["p_yes"], 1)[0]
    assert found.association.interval.estimate == pytest.approx(slope * found.sd)


def test_repeating_questions_of_an_image_changes_no_interval():
    frame = records({"a": -0.8}, n_images=10)
    twice = pd.concat([frame, frame.assign(question=frame["question"] + "-again")])
    one, two = (dose_response(f) for f in (frame, twice))
    for a, b in zip(one.findings, two.findings, strict=True):
        ratio = one.sd / two.sd  # the standard deviation has another divisor
        assert b.ci_low * ratio == pytest.approx(a.ci_low) and b.ci_high * ratio == pytest.approx(a.ci_high)


def test_missing_untouched_rows_are_refused():
    frame = records({"a": -0.8}, n_images=3)
    with pytest.raises(DataError, match="expected both, with doses above 0"):
        dose_response(frame[frame["instrument"] != "none"])
    lost = frame[~((frame["instrument"] == "none") & (frame["image_id"] == "i1"))]
    with pytest.raises(DataError, match="no untouched row"):
        dose_response(lost)
    with pytest.raises(DataError, match="is the same for every question"):
        dose_response(frame.assign(entropy_attention=0.5))
