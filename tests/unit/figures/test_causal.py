"""Figures of the causal tests show the numbers of their tables."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from scr_lens.analysis.causal import (
    answer_direction,
    choose_setting,
    credit_agreement,
    dose_response,
    scene_prior,
)
from scr_lens.figures.causal import CAUSAL_FIGURES, credit_figure, dose_figure
from scr_lens.figures.causal_answers import direction_figure, prior_figure
from scr_lens.figures.choice import choice_figure

RNG = np.random.default_rng(0)
IMAGES = [f"i{k}" for k in range(6)]


def credit_records() -> pd.DataFrame:
    rows = []
    for image in IMAGES:
        for layer in (0, 2):
            truth = RNG.normal(size=16)
            maps = {"norm": RNG.random(16), "attribution": truth + RNG.normal(size=16)}
            rows.append({"image_id": image, "question": "q", "layer": layer, "ablation": truth, **maps})
    return pd.DataFrame(rows)


def dose_records() -> pd.DataFrame:
    rows = []
    for image in IMAGES:
        for label in ("yes", "no"):
            for instrument, doses in (("none", (1.0,)), ("scr", (0.8, 1.2)), ("temperature-all", (0.5, 2.0))):
                for dose in doses:
                    numbers = {"p_yes": RNG.random(), "entropy_attention": 0.9 + 0.1 * dose * RNG.random()}
                    rows.append(
                        {"image_id": image, "question": label, "label": label, "instrument": instrument}
                        | {"dose": dose, "answer": "yes", **numbers}
                    )
    return pd.DataFrame(rows)


def prior_records() -> pd.DataFrame:
    return pd.DataFrame(
        {"image_id": image, "object": name, "label": label, "condition": condition, "in_pool": in_pool}
        | {"answer": ("yes", "no")[int(RNG.random() < 0.5)], "p_yes": RNG.random()}
        for image in IMAGES
        for name, label in (("cow", "no"), ("cat", "yes"))
        for condition in ("vanilla", "scr")
        for in_pool in (True, False)
    )


def direction_records() -> pd.DataFrame:
    return pd.DataFrame(
        {"image_id": image, "question": answer + label, "label": label, "condition": condition}
        | {"answer": answer, "reading": RNG.normal(size=5), "attribution": RNG.normal(size=5)}
        for image in IMAGES
        for label in ("yes", "no")
        for answer in ("yes", "no")
        for condition in ("vanilla", "scr", "uniform-smooth")
    )


def heights(figure: Figure, panel: int) -> list[float]:
    """Vertical places of all dots of a panel."""
    return [float(y) for box in figure.axes[panel].containers for y in box.lines[0].get_ydata()]


def test_credit_figure_shows_every_estimate():
    result = credit_agreement(credit_records(), estimators=("norm", "attribution"), top_k=4)
    figure = credit_figure(result)
    for panel, kind in enumerate(("spearman", "overlap")):
        wanted = result.table[result.table["kind"] == kind]["estimate"]
        assert sorted(heights(figure, panel)) == pytest.approx(sorted(wanted))


def test_dose_figure_has_a_row_per_instrument_and_every_change():
    result = dose_response(dose_records())
    figure = dose_figure(result)
    assert len(figure.axes) == 6
    titles = [figure.axes[k].get_title(loc="left") for k in (0, 3)]
    assert titles == ["strength of scr", "temperature of attention, all blocks"]
    wanted = result.doses[(result.doses["instrument"] == "scr") & (result.doses["quantity"] == "entropy")]
    assert sorted(heights(figure, 0)) == pytest.approx(sorted(wanted["estimate"]))


def test_prior_figure_shows_rates_and_differences():
    result = scene_prior(prior_records())
    figure = prior_figure(result)
    table = result.table[result.table["measure"] == "yes"]
    (dots,) = figure.axes[1].containers
    assert list(dots.lines[0].get_xdata()) == pytest.approx(list(100 * table["estimate"]))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0].startswith("absent object, vanilla\n6 pairs")


def test_direction_figure_shows_every_profile():
    result = answer_direction(direction_records())
    figure = direction_figure(result)
    reading = result.profiles[
        (result.profiles["condition"] == "vanilla") & (result.profiles["kind"] == "reading")
    ]
    drawn = [line.get_ydata() for line in figure.axes[0].lines if len(line.get_xdata()) == 5]
    wanted = [part["estimate"].to_numpy() for _, part in reading.groupby("outcome")]
    assert np.allclose(sorted(map(tuple, drawn)), sorted(map(tuple, wanted)))
    assert len([line for line in figure.axes[2].lines if len(line.get_xdata()) == 5]) == 4


def test_choice_figure_marks_the_chosen_setting():
    rows = [
        {"image_id": f"v{k}", "question": label, "label": label, "condition": condition}
        | {"answer": "yes" if label == "yes" or k < n_false else "no"}
        for k in range(8)
        for label in ("yes", "no")
        for condition, n_false in (("vanilla", 4), ("a", 3), ("b", 1))
    ]
    choice = choose_setting(pd.DataFrame(rows), ["a", "b"], default="a")
    figure = choice_figure(choice.grid)
    chosen = next(box for box in figure.axes[0].containers if box.get_label() == "chosen")
    assert list(chosen.lines[0].get_ydata()) == [1] and choice.chosen == "b"
    assert list(chosen.lines[0].get_xdata()) == pytest.approx([-37.5])
    left, right = figure.axes[1].get_xlim()
    assert left <= -1 and right >= 1


def test_every_result_has_a_figure():
    assert set(CAUSAL_FIGURES) == {"credit", "attention", "norm", "prior", "direction"}
