import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scr_lens.analysis.causal.credit_agreement import credit_agreement, top_overlap
from scr_lens.errors import DataError

ESTIMATORS = ("good", "noise", "flat", "attribution")


def records(n_images: int = 40, n_patches: int = 36, seed: int = 0) -> pd.DataFrame:
    """`good` has a true rank correlation with |ablation|, `noise` none, `attribution` the sign."""
    rng = np.random.default_rng(seed)
    rows = []
    for image in range(n_images):
        for layer in (0, 3):
            truth = rng.normal(size=n_patches)
            rows.append(
                {
                    "image_id": f"i{image}",
                    "question": "q",
                    "layer": layer,
                    "ablation": truth,
                    "good": np.abs(truth) + 0.3 * rng.normal(size=n_patches),
                    "noise": rng.normal(size=n_patches),
                    "flat": np.ones(n_patches),
                    "attribution": truth + 0.8 * rng.normal(size=n_patches),
                }
            )
    return pd.DataFrame(rows)


def test_the_good_estimator_is_found_and_noise_is_not():
    found = credit_agreement(records(), estimators=("good", "noise"), top_k=6)
    assert found.best == {0: "good", 3: "good"}
    verdicts = {result.estimator.split(",")[0]: result for result in found.findings}
    assert verdicts["good"].verdict == "supported" and verdicts["good"].p_value < 0.01
    assert verdicts["noise"].verdict == "not supported"
    assert abs(verdicts["noise"].estimate) < 0.1
    assert (found.contrasts["estimator"] == "noise").all()
    assert (found.contrasts["estimate"] < 0).all() and (found.contrasts["p_holm"] < 0.01).all()


def test_correlations_equal_scipy_and_overlap_a_loop():
    frame = records(n_images=6)
    table = credit_agreement(frame, estimators=("good",), top_k=6).table
    part = frame[frame["layer"] == 3]
    z, overlaps = [], []
    for _, row in part.iterrows():
        size, guess = np.abs(row["ablation"]), np.abs(row["good"])
        z.append(np.arctanh(stats.spearmanr(size, guess).statistic))
        best = [set(sorted(range(36), key=lambda i, v=v: -v[i])[:6]) for v in (size, guess)]
        overlaps.append(len(best[0] & best[1]) / 6)
    at = table[table["layer"] == 3].set_index("kind")
    assert at.loc["spearman", "estimate"] == pytest.approx(np.tanh(np.mean(z)))
    assert at.loc["overlap", "estimate"] == pytest.approx(np.mean(overlaps))
    assert at.loc["overlap", "chance"] == pytest.approx(6 / 36)


def test_a_constant_map_is_undefined_not_zero():
    found = credit_agreement(records(n_images=5), estimators=("good", "flat"), top_k=6)
    flat = found.table[(found.table["estimator"] == "flat") & (found.table["kind"] == "spearman")]
    assert flat["estimate"].isna().all() and (flat["n_undefined"] == 5).all()
    assert "flat" not in set(found.best.values())
    finding = found.findings[1]
    assert finding.verdict == "inconclusive" and np.isnan(finding.estimate)
    assert "ranks no patch" in finding.caveats[0]


def test_signed_estimators_are_also_compared_with_their_sign():
    table = credit_agreement(records(), estimators=("attribution",), top_k=6).table
    signed, unsigned = (
        table[table["kind"] == kind].set_index("layer")["estimate"]
        for kind in ("signed spearman", "spearman")
    )
    assert (signed > unsigned).all() and signed.min() > 0.6


def test_repeating_questions_of_an_image_does_not_narrow_intervals():
    frame = records(n_images=12)
    twice = pd.concat([frame, frame.assign(question="again")])
    one, two = (credit_agreement(f, estimators=("good",), top_k=6).table for f in (frame, twice))
    assert np.allclose(one[["ci_low", "ci_high"]], two[["ci_low", "ci_high"]])


def test_ties_go_to_the_lower_patch():
    assert top_overlap(np.array([[1.0, 1, 1, 0]]), np.array([[0.0, 5, 5, 5]]), 2) == pytest.approx(0.5)


@pytest.mark.parametrize("top_k", [0, 37])
def test_impossible_top_k(top_k):
    with pytest.raises(DataError, match="expected 1 to 36, the number of patches"):
        credit_agreement(records(n_images=2), estimators=("good",), top_k=top_k)


def test_rows_of_different_grids_are_compared_row_by_row():
    small, large = records(n_images=3, n_patches=20, seed=1), records(n_images=4, n_patches=36, seed=2)
    large["image_id"] = "j" + large["image_id"]
    frame = pd.concat([small, large], ignore_index=True).sample(frac=1, random_state=0)
    found = credit_agreement(frame, estimators=("good",), top_k=4)
    at = found.table[found.table["layer"] == 3].set_index("kind")
    part = frame[frame["layer"] == 3]
    sizes = [(np.abs(row["ablation"]), np.abs(row["good"])) for _, row in part.iterrows()]
    z = [np.arctanh(stats.spearmanr(size, guess).statistic) for size, guess in sizes]
    assert at.loc["spearman", "estimate"] == pytest.approx(np.tanh(np.mean(z)))
    assert at.loc["overlap", "chance"] == pytest.approx((3 * 4 / 20 + 4 * 4 / 36) / 7)
    peaks = [size.max() for size, _ in sizes]
    effect = found.effect.set_index("layer")
    assert effect.loc[3, "estimate"] == pytest.approx(np.mean(peaks))
    with pytest.raises(DataError, match="expected 1 to 20, the number of patches"):
        credit_agreement(frame, estimators=("good",), top_k=21)


def test_an_estimator_of_another_grid_is_refused():
    frame = records(n_images=3)
    frame["good"] = [values[:-1] for values in frame["good"]]
    with pytest.raises(DataError, match="'ablation' has 36 patches where 'good' has 35"):
        credit_agreement(frame, estimators=("good",), top_k=4)
