import pytest
from synthetic_evidence import make_answers

from scr_lens.analysis.conditions import (
    MissingEvidenceError,
    common_questions,
    condition_names,
    lambda_conditions,
    main_split,
    require_conditions,
    settings_by_condition,
    variants,
)


@pytest.fixture(scope="module")
def frame():
    return make_answers(3)


def test_names_are_those_of_usable_rows(frame):
    failed = frame.assign(status=["failed" if c == "identity" else "ok" for c in frame["condition"]])
    assert "identity" in condition_names(frame)
    assert "identity" not in condition_names(failed)


def test_missing_conditions_are_named_with_those_at_hand(frame):
    with pytest.raises(
        MissingEvidenceError,
        match=r"needs conditions opera, vcd; the run holds gaussian-noise, .* and 12 more",
    ):
        require_conditions(frame, "scr", "opera", "vcd")


def test_variants_differ_in_one_setting_only(frame):
    assert variants(frame, "topology") == {
        "8": "scr",
        "4": "scr-topology-4",
        "radius-2": "scr-radius-2",
        "scrambled": "scr-scrambled",
    }
    assert variants(frame, "diagnostic.head_share") == {1.0: "scr", 0.2: "scr-heads-20"}
    assert variants(frame, "layers") == {None: "scr", "0-1": "scr-layers-0-1"}
    assert settings_by_condition(frame)["scr"]["diagnostic.queries"] == "all_text_after_image"


def test_lambda_grid_is_sorted_and_above_one(frame):
    assert list(lambda_conditions(frame)) == [1.02, 1.05, 1.1, 1.3, 1.6]
    with pytest.raises(MissingEvidenceError, match=r"the run has 1\.1$"):
        lambda_conditions(frame[frame["condition"].isin(["scr", "vanilla"])])


def test_common_questions_are_those_of_all_conditions(frame):
    few = frame[(frame["condition"] == "vanilla") | (frame["image_id"] == "im001.png")]
    shared = common_questions(few, ["vanilla", "scr"])
    assert set(shared["image_id"]) == {"im001.png"}
    assert set(shared["condition"]) == {"vanilla", "scr"}
    assert len(shared) == 12
    apart = frame[(frame["condition"] == "vanilla") == (frame["image_id"] == "im001.png")]
    with pytest.raises(MissingEvidenceError, match="no question was asked under all of vanilla, scr"):
        common_questions(apart, ["vanilla", "scr"])


def test_main_split_falls_back_to_everything(frame):
    assert len(main_split(frame, "popular")) == len(frame) / 2
    assert len(main_split(frame.drop(columns="splits"), "popular")) == len(frame)
