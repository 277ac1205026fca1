import numpy as np
import pandas as pd
import pytest

from scr_lens.analysis.predictions.from_pairs import gain_of, lambda_gains, p2, p3, p4, scr_gain
from scr_lens.analysis.records import absent_questions, pair_conditions
from scr_lens.errors import DataError

SAMPLING = {"n_resamples": 99, "seed": 3}


@pytest.fixture
def records(answers):
    frame = answers(n_images=60)
    entropy = {
        key: k for k, key in enumerate(sorted(set(zip(frame["image_id"], frame["question"], strict=True))))
    }
    keys = zip(frame["image_id"], frame["question"], strict=True)
    frame["entropy_attention_nats"] = [1 + entropy[key] / 1000 for key in keys]
    return frame.assign(grid_h=4, grid_w=4)


def test_gain_is_plus_one_for_a_removed_false_yes():
    paired = pd.DataFrame(
        {"answer": ["yes", "no", "yes", "no"], "answer_treated": ["no", "yes", "yes", "no"]}
    )
    assert gain_of(paired).tolist() == [1, -1, 0, 0]


def test_p2_estimate_by_hand(records):
    rows = absent_questions(pair_conditions(records, "vanilla", "scr")).sort_values("entropy_attention_nats")
    gain = gain_of(rows)
    found = p2(records, options=SAMPLING)
    assert found.estimate == pytest.approx(gain[:45].mean() - gain[-45:].mean())
    assert found.name == "P2"


def test_p3_takes_one_value_per_image(records):
    values = {image: k for k, image in enumerate(sorted(records["image_id"].unique()))}
    rows = absent_questions(pair_conditions(records, "vanilla", "scr"))
    rank = rows["image_id"].map(values).to_numpy()
    gain = gain_of(rows)
    found = p3(records, values, measure="rho(1)", options=SAMPLING)
    assert found.estimate == pytest.approx(gain[rank >= 40].mean() - gain[rank < 20].mean())
    with pytest.raises(DataError, match="image 'im000' has no autocorrelation"):
        p3(records, {key: value for key, value in values.items() if key != "im000"}, measure="rho(1)")


def test_scr_gain_names_its_claim_by_the_baseline(records):
    found = scr_gain(records, options=SAMPLING)
    rates = absent_questions(pair_conditions(records, "vanilla", "scr"))
    expected = (rates["answer"] == "yes").mean() - (rates["answer_treated"] == "yes").mean()
    assert (found.name, found.estimate) == ("SCR", pytest.approx(expected))
    renamed = records.replace({"condition": {"vanilla": "uniform-smooth"}})
    assert scr_gain(renamed, baseline="uniform-smooth", options=SAMPLING).name == "guidance"


def lambda_records(records):
    vanilla = records[records["condition"] == "vanilla"]
    parts = [vanilla]
    generator = np.random.default_rng(0)
    for level, keep in ((0.9, 1.3), (1.1, 0.4), (1.3, 0.1), (1.6, 0.5), (2.0, 1.2), (3.0, 1.6)):
        rows = vanilla.assign(condition=f"scr-{level}")
        draw = generator.random(len(rows))
        is_absent = rows["label"] == "no"
        yes = (rows["answer"] == "yes") & (draw < keep) | (rows["answer"] == "no") & (draw < 0.3 * (keep - 1))
        rows["answer"] = np.where(is_absent, np.where(yes, "yes", "no"), rows["answer"])
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)


CONDITIONS = {level: f"scr-{level}" for level in (2.0, 0.9, 1.1, 1.3, 1.6, 3.0)}


def test_lambda_gains_are_sorted_and_include_the_identity(records):
    frame = lambda_records(records)
    levels, gains, images = lambda_gains(frame, CONDITIONS)
    assert levels == [0.9, 1.0, 1.1, 1.3, 1.6, 2.0, 3.0]
    assert (gains[:, 1] == 0).all()
    expected = gain_of(absent_questions(pair_conditions(frame, "vanilla", "scr-1.3")))
    assert gains[:, 3].sum() == expected.sum()
    assert gains.shape == (180, 7) and len(images) == 180


def test_p4_finds_the_inverted_u_of_the_simulation(records):
    found = p4(lambda_records(records), CONDITIONS)
    assert found.verdict == "supported"
    assert found.n_images == 60


def test_p4_refuses_uneven_coverage(records):
    frame = lambda_records(records)
    drop = frame[(frame["condition"] == "scr-1.3") & (frame["label"] == "no")].index[:2]
    with pytest.raises(DataError, match="2 questions lack a lambda"):
        p4(frame.drop(index=drop), CONDITIONS)
