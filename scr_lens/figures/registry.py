"""Every figure that can be drawn from a stored run, by its id."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import pandas as pd
from matplotlib.figure import Figure

from scr_lens.errors import ConfigError, unknown_name
from scr_lens.figures.dots import dot_figure
from scr_lens.figures.scatter import Estimator, entropy_bins, entropy_figure, entropy_records
from scr_lens.figures.tables import condition_table

_ANSWER_COLUMNS = (
    "key",
    "model_id",
    "model_revision",
    "benchmark",
    "config_digest",
    "condition",
    "status",
    "splits",
    "image_id",
    "question",
    "label",
    "answer",
)


@dataclass(frozen=True, kw_only=True)
class FigureEntry:
    """A figure of the registry.

    Attributes:
        id: Name on the command line and of the files.
        description: One line on what it shows.
        table: Makes the table of the numbers behind it from records.
        draw: Makes the figure from records and that table.
        columns: Columns of the store that it reads, and those that its provenance names.
    """

    id: str
    description: str
    table: Callable[[pd.DataFrame], pd.DataFrame] = field(repr=False)
    draw: Callable[[pd.DataFrame, pd.DataFrame], Figure] = field(repr=False)
    columns: tuple[str, ...] = field(repr=False)


def _bins(frame: pd.DataFrame, estimator: Estimator) -> pd.DataFrame:
    return entropy_bins(entropy_records(frame, estimator))


def _draw_entropy(frame: pd.DataFrame, _: pd.DataFrame, estimator: Estimator) -> Figure:
    return entropy_figure(frame, estimator)


def _draw_conditions(_: pd.DataFrame, table: pd.DataFrame) -> Figure:
    return dot_figure(table)


def _entropy_entry(estimator: Estimator, description: str) -> FigureEntry:
    return FigureEntry(
        id=f"entropy-hallucination-{estimator}",
        description=description,
        table=partial(_bins, estimator=estimator),
        draw=partial(_draw_entropy, estimator=estimator),
        columns=(*_ANSWER_COLUMNS, "grid_h", "grid_w", f"entropy_{estimator}_nats"),
    )


_ENTRIES = (
    FigureEntry(
        id="conditions",
        description="Hallucination rate and accuracy by split and condition, with 95% intervals.",
        table=condition_table,
        draw=_draw_conditions,
        columns=_ANSWER_COLUMNS,
    ),
    _entropy_entry("attention", "Entropy of the attention map against hallucination, per question."),
    _entropy_entry("norm", "Entropy of the patch norms against hallucination, per question."),
)

FIGURES: Mapping[str, FigureEntry] = MappingProxyType({entry.id: entry for entry in _ENTRIES})
"""All figures by id, in the order to draw them."""


def find_figure(figure_id: str) -> FigureEntry:
    """Look up a figure.

    Args:
        figure_id: Its id.

    Returns:
        The entry.

    Raises:
        ConfigError: If there is none of that id; the message names the closest one.
    """
    if figure_id not in FIGURES:
        raise ConfigError(unknown_name("figure", figure_id, FIGURES))
    return FIGURES[figure_id]


def draw_figure(figure_id: str, frame: pd.DataFrame) -> Figure:
    """Draw a figure from records.

    Args:
        figure_id: Its id.
        frame: Records of one model with at least the entry's columns.

    Returns:
        The figure.

    Raises:
        ConfigError: If there is no figure of that id.
        DataError: If the records do not fit.
    """
    entry = find_figure(figure_id)
    return entry.draw(frame, entry.table(frame))
