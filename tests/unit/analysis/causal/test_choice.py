import numpy as np
import pandas as pd
import pytest

from scr_lens.analysis.causal.choice import choose_setting
from scr_lens.errors import DataError


def records(
    answers: dict[str, dict[str, int]], n_images: int = 40, prefix: str = "validation_"
) -> pd.DataFrame:
    """Per condition: how many of the first images get a false yes, and a missed object."""
    rows = []
    for condition, wrong in answers.items():
        for image in range(n_images):
            for label, other, kind in (("no", "yes", "false_yes"), ("yes", "no", "missed")):
                rows.append(
                    {
                        "image_id": f"{prefix}{image:03d}",
                        "question": label,
                        "label": label,
                        "answer": other if image < wrong.get(kind, 0) else label,
                        "condition": condition,
                    }
                )
    return pd.DataFrame(rows)


def test_the_lowest_rate_that_keeps_accuracy_is_chosen():
    frame = records(
        {
            "vanilla": {"false_yes": 20},
            "paper": {"false_yes": 19},
            "strong": {"false_yes": 4},
            "lossy": {"false_yes": 0, "missed": 30},
        }
    )
    found = choose_setting(frame, ["paper", "strong", "lossy"], default="paper")
    assert found.chosen == "strong" and found.differs and found.any_differs
    grid = found.grid.set_index("setting")
    assert not grid.loc["lossy", "keeps_accuracy"] and grid.loc["strong", "chosen"]
    assert grid.loc["strong", "hallucination_rate"] == pytest.approx(0.1)
    assert grid.loc["strong", "d_hallucination_rate"] == pytest.approx(-0.4)
    assert grid.loc["strong", "d_accuracy"] == pytest.approx(0.2)
    assert grid.loc["lossy", "d_accuracy"] == pytest.approx(-0.125)


def test_ties_go_to_the_paper_then_to_the_first():
    frame = records({"vanilla": {"false_yes": 9}, **{name: {"false_yes": 8} for name in ("a", "paper", "b")}})
    assert choose_setting(frame, ["a", "paper", "b"], default="paper").chosen == "paper"
    worse = records(
        {"vanilla": {"false_yes": 9}, "b": {"false_yes": 8}, "a": {"false_yes": 8}, "paper": {"false_yes": 9}}
    )
    assert choose_setting(worse, ["a", "b", "paper"], default="paper").chosen == "a"


def test_without_an_allowed_setting_the_paper_stays():
    frame = records({"vanilla": {}, "a": {"missed": 20}, "paper": {"missed": 10}})
    found = choose_setting(frame, ["a", "paper"], default="paper")
    assert found.chosen == "paper" and found.reason.startswith("no setting keeps its accuracy")


def test_no_difference_is_said():
    frame = records({"vanilla": {"false_yes": 9}, "paper": {"false_yes": 8}, "a": {"false_yes": 9}})
    found = choose_setting(frame, ["paper", "a"], default="paper")
    assert not found.any_differs and not found.differs
    assert found.summary.startswith("no setting differs from vanilla beyond chance (Holm over 2 settings)")


def test_holm_over_the_grid_decides():
    """Alone the change would count (p = 0.031); among twenty settings it does not."""
    names = ["paper", *(f"s{k}" for k in range(19))]
    frame = records(
        {
            "vanilla": {"false_yes": 20},
            "paper": {"false_yes": 14},
            **{n: {"false_yes": 20} for n in names[1:]},
        }
    )
    found = choose_setting(frame, names, default="paper")
    p = found.grid.set_index("setting").loc["paper"]
    assert p["d_hallucination_rate_p_value"] == pytest.approx(2 / 2**6) and p["p_holm"] > 0.5
    assert found.chosen == "paper" and not found.differs


def test_test_scenes_are_refused():
    frame = records({"vanilla": {}, "paper": {}}, prefix="test_")
    with pytest.raises(DataError, match=r"image 'test_000' \(40 in all\) is a test scene"):
        choose_setting(frame, ["paper"], default="paper")


def test_incomplete_or_unknown_settings_are_refused():
    frame = records({"vanilla": {}, "paper": {}}, n_images=4)
    with pytest.raises(DataError, match="the default 'other' is not in the grid"):
        choose_setting(frame, ["paper"], default="other")
    lost = frame.drop(index=np.flatnonzero(frame["condition"] == "paper")[0])
    with pytest.raises(DataError, match="1 questions lack 'vanilla' or 'paper'"):
        choose_setting(lost, ["paper"], default="paper")
