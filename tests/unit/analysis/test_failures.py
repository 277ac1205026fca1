import numpy as np
import pandas as pd
import pytest

from scr_lens.analysis.failures import (
    FailureRule,
    failure_table,
    misses_by_size,
    object_traits,
    question_patterns,
    relative_boxes,
)
from scr_lens.errors import DataError

BOXES = pd.DataFrame(
    [
        ("a", "cat", 40, 40, 10, 10),
        ("a", "dog", 52, 40, 30, 30),
        ("a", "cat", 1, 50, 5, 5),
        ("b", "cup", 90, 10, 20, 20),
        ("b", "bed", 10, 40, 40, 40),
    ],
    columns=["image_id", "object", "x", "y", "width", "height"],
).assign(image_width=100, image_height=100)
PAIRS = FailureRule(confusable=[frozenset(("cat", "dog")), frozenset(("cup", "bowl"))])


def records():
    rows = [
        ("a", "cat", "yes", "no"),
        ("a", "dog", "yes", "yes"),
        ("a", "bowl", "no", "yes"),
        ("b", "cup", "yes", "no"),
        ("b", "bed", "yes", "yes"),
        ("b", "bowl", "no", "yes"),
        ("b", "car", "no", "no"),
    ]
    return pd.DataFrame(rows, columns=["image_id", "object", "label", "answer"])


def test_boxes_are_clipped_to_the_image():
    table = relative_boxes(BOXES)
    assert table.loc[3, ["left", "right", "area"]].tolist() == pytest.approx([0.9, 1.0, 0.02])
    assert table.loc[1, "area"] == pytest.approx(0.09)


def test_traits_come_from_the_largest_instance():
    traits = object_traits(BOXES, PAIRS)
    assert traits.loc[("a", "cat"), "area"] == pytest.approx(0.01)
    assert traits["is_small"].to_dict() == {
        ("a", "cat"): True, ("a", "dog"): False, ("b", "bed"): False, ("b", "cup"): False,
    }  # fmt: skip
    assert traits.loc[("b", "cup"), "is_edge"] and not traits.loc[("a", "cat"), "is_edge"]
    assert traits.loc[("a", "cat"), "is_ambiguous"] and traits.loc[("a", "dog"), "is_ambiguous"]
    assert not traits.loc[("b", "bed"), "is_ambiguous"]


def test_any_other_category_counts_without_a_list_of_pairs():
    traits = object_traits(BOXES, FailureRule(neighbor_gap=0.45))
    assert traits["is_ambiguous"].all()
    assert not object_traits(BOXES, FailureRule(neighbor_gap=0.0))["is_ambiguous"].any()


def test_absent_objects_are_ambiguous_when_a_look_alike_is_present():
    marks = question_patterns(records(), BOXES, PAIRS)
    assert marks["ambiguous"].tolist() == [True, True, False, False, False, True, False]
    assert marks["small"].tolist() == [True] + [False] * 6
    assert marks["edge"].tolist() == [False, False, False, True, False, False, False]
    assert marks["none"].tolist() == [False, False, True, False, True, False, True]
    assert np.isnan(marks["area"][2])


def test_failure_table_counts_errors_and_base_rates():
    table = failure_table(records(), BOXES, PAIRS, n_resamples=99).set_index("pattern")
    assert table["n_errors"].to_dict() == {"small": 1, "edge": 1, "ambiguous": 2, "none": 1}
    assert table.loc["ambiguous", "share_of_errors"] == pytest.approx(2 / 4)
    assert table.loc["ambiguous", "share_of_questions"] == pytest.approx(3 / 7)
    assert table.loc["ambiguous", "error_rate"] == pytest.approx(2 / 3)
    assert table.loc["ambiguous", "excess"] == pytest.approx(2 / 3 - 2 / 4)
    assert (table["error_rate_low"] <= table["error_rate"]).all()


def test_pattern_that_never_occurs_is_undefined_not_zero():
    table = failure_table(records(), BOXES, FailureRule(small_area=1e-6), n_resamples=99).set_index("pattern")
    assert np.isnan(table.loc["small", "error_rate"]) and np.isnan(table.loc["small", "excess"])
    assert table.loc["small", "share_of_errors"] == 0


def test_misses_by_size_use_present_objects_only():
    table = misses_by_size(records(), BOXES, edges=(0.0, 0.02, 0.1, 1.0))
    assert table["n_questions"].tolist() == [1, 2, 1]
    assert table["miss_rate"].tolist() == pytest.approx([1.0, 0.5, 0.0])


def test_refusals():
    with pytest.raises(DataError, match="object 'car' of image 'a' has no box"):
        question_patterns(records().assign(object="car", label="yes"), BOXES)
    with pytest.raises(DataError, match="width or height <= 0"):
        relative_boxes(BOXES.assign(width=0))
    with pytest.raises(DataError, match="lack"):
        relative_boxes(BOXES.drop(columns="x"))
    with pytest.raises(DataError, match="increasing shares"):
        misses_by_size(records(), BOXES, edges=(0.0, 0.5, 0.2))


def traits_one_by_one(boxes, rule):
    """Every object against every other box, in plain loops."""
    rows, found = relative_boxes(boxes).to_dict("records"), {}
    for image, name in sorted({(row["image_id"], row["object"]) for row in rows}):
        own = [r for r in rows if (r["image_id"], r["object"]) == (image, name)]
        box = max(own, key=lambda r: r["area"])
        touching = False
        for other in (r for r in rows if r["image_id"] == image and rule.is_pair(name, r["object"])):
            across = max(other["left"] - box["right"], box["left"] - other["right"], 0.0)
            down = max(other["top"] - box["bottom"], box["top"] - other["bottom"], 0.0)
            touching |= bool(np.hypot(across, down) <= rule.neighbor_gap)
        ends = (box["left"], box["top"], 1 - box["right"], 1 - box["bottom"])
        found[image, name] = (
            box["area"],
            box["area"] < rule.small_area,
            min(ends) < rule.edge_margin,
            touching,
        )
    return found


@pytest.mark.parametrize("pairs", [(), (frozenset(("a", "b")), frozenset(("c", "d")))])
def test_traits_equal_loops_over_all_boxes(pairs):
    generator = np.random.default_rng(4)
    n = 150
    boxes = pd.DataFrame(
        {
            "image_id": generator.choice([f"im{k}" for k in range(12)], n),
            "object": generator.choice(list("abcde"), n),
            "x": generator.integers(0, 95, n),
            "y": generator.integers(0, 95, n),
            "width": generator.integers(2, 30, n),
            "height": generator.integers(2, 30, n),
        }
    ).assign(image_width=101, image_height=101)
    rule = FailureRule(confusable=pairs)
    traits = object_traits(boxes, rule)
    expected = traits_one_by_one(boxes, rule)
    assert {key: tuple(row) for key, row in zip(traits.index, traits.to_numpy(), strict=True)} == expected
    assert traits["is_ambiguous"].nunique() == 2
