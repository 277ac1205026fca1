import numpy as np
import pandas as pd
import pytest

from scr_lens.analysis.causal.answer_direction import answer_direction
from scr_lens.errors import DataError

STEPS = np.array([0.2, 0.1, 2.0, 0.5, 0.0])
"""What each depth adds in the direction of the answer; input and block 0 do the same for every answer."""


def records(selective: float, n_images: int = 24, seed: int = 0) -> pd.DataFrame:
    """scr lowers the final logit of every yes by 0.3, and of a false yes by `selective` more."""
    rng = np.random.default_rng(seed)
    rows = []
    for image in range(n_images):
        for number, (label, answer) in enumerate(
            [("no", "yes"), ("no", "no"), ("yes", "yes"), ("yes", "no")]
        ):
            side = 1 if answer == "yes" else -1
            added = np.where(np.arange(5) < 2, STEPS, side * STEPS) + 0.02 * rng.normal(size=5)
            head = {"image_id": f"i{image}", "question": f"q{number}", "label": label}
            for condition in ("vanilla", "uniform-smooth", "scr"):
                change = -0.3 * (answer == "yes") - selective * (label != answer) * (side > 0)
                last = np.array([0, 0, 0, 0, change if condition == "scr" else 0.05]) * (
                    condition != "vanilla"
                )
                values = added + last + 0.001 * rng.normal(size=5) * (condition != "vanilla")
                rows.append(
                    {
                        **head,
                        "condition": condition,
                        "answer": answer,
                        "attribution": values,
                        "reading": np.cumsum(values),
                    }
                )
    return pd.DataFrame(rows)


def test_profiles_changes_and_the_deciding_depth():
    frame = records(0.5)
    found = answer_direction(frame)
    assert found.decided.set_index("objects")["depth"].to_dict() == {"absent": 2.0, "present": 2.0}
    profiles = found.profiles.set_index(["outcome", "condition", "kind", "depth"])["estimate"]
    expected = np.mean(
        [row[2] for row in frame[(frame.question == "q0") & (frame.condition == "vanilla")].attribution]
    )
    assert profiles["false yes", "vanilla", "attribution", 2] == pytest.approx(expected)
    changes = found.changes.set_index(["outcome", "condition", "kind", "depth"])
    assert changes.loc[("false yes", "scr", "reading", 4), "estimate"] == pytest.approx(-0.8, abs=0.01)
    assert changes.loc[("false yes", "scr", "reading", 4), "p_holm"] < 0.01
    assert changes.loc[("right no", "scr", "reading", 1), "p_holm"] > 0.05


@pytest.mark.parametrize(("selective", "verdict"), [(0.5, "supported"), (0.0, "not supported")])
def test_selectivity(selective, verdict):
    findings = {f.estimator: f for f in answer_direction(records(selective)).findings}
    scr = findings["scr, change of the final logit difference"]
    assert scr.verdict == verdict and scr.estimate == pytest.approx(-selective, abs=0.01)
    assert findings["scr in excess of uniform-smooth"].verdict == verdict
    assert findings["uniform-smooth, change of the final logit difference"].verdict == "not supported"


def test_without_a_wrong_answer_there_is_nothing_to_compare():
    frame = records(0.5, n_images=4)
    right = frame[frame["question"].isin(["q1", "q2"])]
    found = answer_direction(right)
    assert found.findings == () and len(found.decided) == 0
    assert set(found.profiles["outcome"]) == {"right no", "right yes"}


def test_missing_conditions_are_refused():
    frame = records(0.5, n_images=3)
    with pytest.raises(DataError, match="condition 'scr': expected one of"):
        answer_direction(frame[frame["condition"] != "scr"])
    with pytest.raises(DataError, match="'vanilla' has no rows"):
        answer_direction(frame[frame["condition"] != "vanilla"])
    with pytest.raises(DataError, match="covers other questions"):
        answer_direction(frame.drop(index=frame.index[frame["condition"] == "scr"][0]))
