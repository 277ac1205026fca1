import numpy as np
import pytest

from scr_lens.figures.dots import dot_figure, row_places
from scr_lens.figures.tables import condition_table


@pytest.fixture(scope="module")
def table(records):
    return condition_table(records())


def test_dots_and_intervals_are_the_table(table):
    figure = dot_figure(table)
    places = row_places(table)
    metrics = ("hallucination_rate", "accuracy", "hallucination_rate_difference")
    for axes, metric in zip(figure.axes, metrics, strict=True):
        drawn = {c.get_label(): c for c in axes.containers}
        for condition, part in table.groupby("condition"):
            kept = part.dropna(subset=[metric])
            dots, _, (bars,) = drawn[condition]
            assert np.allclose(dots.get_xdata(), 100 * kept[metric])
            assert dots.get_ydata().tolist() == [places[s, condition] for s in kept["split"]]
            ends = np.array([segment[:, 0] for segment in bars.get_segments()]).reshape(-1, 2)
            assert np.allclose(ends, 100 * kept[[f"{metric}_low", f"{metric}_high"]])


def test_places_group_by_split(table):
    places = row_places(table)
    assert [places["random", c] for c in ("vanilla", "identity", "scr", "uniform-smooth")] == [0, 1, 2, 3]
    assert places["adversarial", "vanilla"] == 5


def test_number_of_images_and_questions_is_on_the_plot(table):
    axes = dot_figure(table).axes[0]
    assert axes.get_yticklabels()[0].get_text() == "random\n24 images\n144 questions"
