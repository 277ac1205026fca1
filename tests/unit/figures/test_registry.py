import pytest

from scr_lens.errors import ConfigError
from scr_lens.figures.registry import FIGURES, draw_figure, find_figure
from scr_lens.store.schema import BY_NAME


@pytest.fixture(scope="module")
def frame(records):
    return records(n_images=30)


@pytest.mark.parametrize("figure_id", FIGURES)
def test_every_figure_draws_from_its_columns_alone(frame, figure_id):
    entry = find_figure(figure_id)
    rows = frame[list(entry.columns)]
    assert draw_figure(figure_id, rows).axes
    assert len(entry.table(rows)) > 0


def test_the_conditions_are_drawn_from_the_table_at_hand(frame):
    entry = find_figure("conditions")
    table = entry.table(frame)
    table.loc[:, ["accuracy", "accuracy_low", "accuracy_high"]] = 0.25
    accuracy = entry.draw(frame, table).axes[1]
    assert {x for line in accuracy.lines for x in line.get_xdata()} == {25.0}


@pytest.mark.parametrize("figure_id", FIGURES)
def test_entries_are_described_and_read_columns_of_the_store(figure_id):
    entry = FIGURES[figure_id]
    assert entry.id == figure_id
    assert entry.description.endswith(".")
    assert set(entry.columns) <= set(BY_NAME)


def test_unknown_id_names_the_closest():
    with pytest.raises(ConfigError, match="unknown figure 'condition'; did you mean 'conditions'"):
        find_figure("condition")
