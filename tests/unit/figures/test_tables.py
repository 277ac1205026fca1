import numpy as np
import pandas as pd
import pytest

from scr_lens.errors import DataError
from scr_lens.figures.tables import condition_table, ordered_conditions, ordered_splits


@pytest.fixture(scope="module")
def frame(records):
    return records()


@pytest.fixture(scope="module")
def table(frame):
    return condition_table(frame)


def row_of(table, split, condition):
    return table[(table["split"] == split) & (table["condition"] == condition)].iloc[0]


def test_rows_are_ordered(table):
    assert list(dict.fromkeys(table["split"])) == ["random", "adversarial", "all"]
    assert table["condition"].tolist() == ["vanilla", "identity", "scr", "uniform-smooth"] * 3


@pytest.mark.parametrize("condition", ["vanilla", "scr"])
def test_metrics_equal_counts_by_hand(frame, table, condition):
    rows = frame[(frame["condition"] == condition) & frame["splits"].map(lambda s: "adversarial" in s)]
    hits = pd.crosstab(rows["label"], rows["answer"])
    row = row_of(table, "adversarial", condition)
    assert row["hallucination_rate"] == pytest.approx(hits.loc["no", "yes"] / hits.loc["no"].sum())
    assert row["accuracy"] == pytest.approx((rows["label"] == rows["answer"]).mean())
    assert row["recall"] == pytest.approx(hits.loc["yes", "yes"] / hits.loc["yes"].sum())
    assert row["precision"] == pytest.approx(hits.loc["yes", "yes"] / hits["yes"].sum())
    assert row["yes_ratio"] == pytest.approx((rows["answer"] == "yes").mean())
    assert (row["n_images"], row["n_questions"]) == (24, len(rows))


def test_intervals_hold_their_estimates(table):
    for metric in ("hallucination_rate", "accuracy", "precision", "recall", "f1", "yes_ratio"):
        assert (table[f"{metric}_low"] <= table[metric]).all()
        assert (table[metric] <= table[f"{metric}_high"]).all()


def test_difference_is_that_of_the_rates(table):
    for split in ("random", "adversarial", "all"):
        rates = {c: row_of(table, split, c)["hallucination_rate"] for c in ("vanilla", "scr")}
        change = row_of(table, split, "scr")
        assert change["hallucination_rate_difference"] == pytest.approx(rates["scr"] - rates["vanilla"])
        assert change["hallucination_rate_difference_low"] < change["hallucination_rate_difference_high"]
        assert np.isnan(row_of(table, split, "vanilla")["hallucination_rate_difference"])


def test_identity_changes_nothing(table):
    names = [f"hallucination_rate_difference{end}" for end in ("", "_low", "_high")]
    assert (table.loc[table["condition"] == "identity", names] == 0).all(axis=None)


def test_without_the_baseline_there_are_no_differences(records):
    table = condition_table(records(conditions=("scr", "identity")))
    assert table["hallucination_rate_difference"].isna().all()


def test_one_split_has_no_pool(frame):
    one = frame.assign(splits=[("popular",)] * len(frame))
    assert set(condition_table(one)["split"]) == {"popular"}


def test_two_models_are_refused(frame):
    two = pd.concat([frame, frame.assign(model_revision="r2")])
    with pytest.raises(DataError, match="2 values of model_revision"):
        condition_table(two)


def test_missing_columns_are_named(frame):
    with pytest.raises(DataError, match="label"):
        condition_table(frame.drop(columns="label"))


def test_orders():
    assert ordered_conditions(["b", "scr", "a", "vanilla"]) == ["vanilla", "scr", "a", "b"]
    assert ordered_splits(["all", "zoo", "adversarial", "random"]) == ["random", "adversarial", "zoo", "all"]
