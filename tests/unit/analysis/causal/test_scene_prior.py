import numpy as np
import pandas as pd
import pytest

from scr_lens.analysis.causal.rules import conclude_causal
from scr_lens.analysis.causal.scene_prior import background_pairs, scene_prior
from scr_lens.analysis.interval import Interval
from scr_lens.errors import DataError


def records(prior: float, kept: float = 1.0, n_images: int = 120, seed: int = 0) -> pd.DataFrame:
    """Absent objects: yes at 10%, plus `prior` on a predicting background (`kept` of it under scr)."""
    rng = np.random.default_rng(seed)
    rows = []
    for image in range(n_images):
        for name in ("cow", "cat", "cup"):
            draw = rng.random(2)
            for condition, share in (("vanilla", 1.0), ("scr", kept)):
                for in_pool in (True, False):
                    p = 0.1 + prior * share * in_pool
                    rows.append(
                        {
                            "image_id": f"i{image}",
                            "object": name,
                            "label": "yes" if name == "cup" else "no",
                            "condition": condition,
                            "in_pool": in_pool,
                            "answer": "yes" if draw[int(in_pool)] < p else "no",
                            "p_yes": p,
                        }
                    )
    return pd.DataFrame(rows)


def test_a_prior_and_its_reduction_are_found():
    found = scene_prior(records(0.4, kept=0.3))
    prior, change = found.findings
    assert (prior.verdict, change.verdict) == ("supported", "supported")
    assert prior.ci_low < 0.4 < prior.ci_high and change.ci_low < -0.28 < change.ci_high
    assert prior.n_questions == 240 and prior.n_images == 120


def test_no_prior_and_no_reduction():
    found = scene_prior(records(0.0, kept=1.0))
    assert found.findings[0].verdict != "supported"
    change = found.findings[1]
    assert change.estimate == 0 and change.verdict == "inconclusive"
    assert change.ci_high == pytest.approx(2 * (1 - 0.025 ** (1 / 120)))


def test_numbers_equal_a_loop():
    frame = records(0.4, n_images=8)
    table = scene_prior(frame).table.set_index(["condition", "label", "measure"])
    rows = frame[(frame["condition"] == "scr") & (frame["label"] == "no")]
    inside, outside = ([], [])
    for _, row in rows.iterrows():
        (inside if row["in_pool"] else outside).append(row["answer"] == "yes")
    got = table.loc[("scr", "no", "yes")]
    assert got["inside"] == pytest.approx(np.mean(inside)) and got["outside"] == pytest.approx(
        np.mean(outside)
    )
    assert got["estimate"] == pytest.approx(np.mean(inside) - np.mean(outside))
    assert table.loc[("vanilla", "no", "p_yes"), "estimate"] == pytest.approx(0.4)


def test_objects_asked_on_one_kind_of_background_are_left_out():
    frame = records(0.4, n_images=5)
    lone = frame[~((frame["object"] == "cow") & ~frame["in_pool"])]
    assert set(background_pairs(lone)["object"]) == {"cat", "cup"}
    with pytest.raises(DataError, match="no absent object asked on both kinds of background under 'scr'"):
        scene_prior(frame[frame["condition"] == "vanilla"])


def test_clusters_are_scenes():
    frame = records(0.4, n_images=15)
    twice = pd.concat([frame, frame.assign(object=frame["object"] + "2")])
    one, two = (scene_prior(f).findings[0] for f in (frame, twice))
    assert (one.ci_low, one.ci_high) == pytest.approx((two.ci_low, two.ci_high))


@pytest.mark.parametrize(("name", "factor"), [("scene prior", 1), ("SCR on prior", 2)])
def test_no_change_in_any_scene_is_no_proof_of_no_effect(name, factor):
    nothing = Interval(0.0, 0.0, 0.0, 0.0, 40, "degenerate")
    found = conclude_causal(name, nothing, 1.0, 80, estimator="none changed")
    assert found.ci_high == pytest.approx(factor * (1 - 0.025 ** (1 / 40)))
    assert found.ci_low == -found.ci_high
    assert found.verdict == "inconclusive"
