"""Parts that the figures share: rows of a numbers table, dots with intervals, two sides of a comparison."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scr_lens.analysis.interval import Interval
from scr_lens.figures.style import FAINT, INK, MUTED, PALETTE, SMALL_SIZE, new_figure
from scr_lens.figures.text import wrap

PAPER, MEASURED = "paper", "measured"
PAPER_COLOR = "#e69f00"
MARKERS = "osD^vP*X"

METHOD_NAMES = {
    "vanilla": "vanilla",
    "scr": "SCR",
    "uniform-smooth": "Uniform-Smooth",
    "gaussian-noise": "Gaussian noise",
    "norm-only": "norm only",
    "identity": "identity",
}


def paper_row(**cells: Any) -> dict[str, Any]:
    """A row with one of the paper's numbers, which has no interval."""
    return {"source": PAPER, **cells}


def measured_row(found: Interval | None, n_questions: int, **cells: Any) -> dict[str, Any]:
    """A row with one of our numbers.

    Args:
        found: Estimate and ends; None where undefined.
        n_questions: Questions behind it.
        **cells: What tells the row from others.

    Returns:
        The cells and estimate, ci_low, ci_high, n_images, n_questions.
    """
    if found is None:
        return {"source": MEASURED, **cells, "estimate": np.nan, "n_questions": n_questions}
    ends = {"estimate": found.estimate, "ci_low": found.low, "ci_high": found.high}
    return {"source": MEASURED, **cells, **ends, "n_images": found.n_images, "n_questions": n_questions}


def numbers(rows: Sequence[dict[str, Any]], label_columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a table with a fixed order of columns.

    Args:
        rows: Rows of `paper_row` and `measured_row`.
        label_columns: Columns that name a row, after `source`.

    Returns:
        Columns source, labels, estimate, ci_low, ci_high, n_images, n_questions.
    """
    columns = ["source", *label_columns, "estimate", "ci_low", "ci_high", "n_images", "n_questions"]
    return pd.DataFrame(rows).reindex(columns=columns)


def of_source(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """The rows of one side of the comparison, renumbered."""
    return table[table["source"] == source].reset_index(drop=True)


def side_by_side(
    width: float, height: float, ratio: tuple[float, float] = (1, 2)
) -> tuple[Figure, Axes, Axes]:
    """A figure with the paper's numbers to the left and ours to the right, on one vertical scale.

    Args:
        width: Width in inches.
        height: Height in inches.
        ratio: Widths of the two panels.

    Returns:
        The figure and both panels.
    """
    figure = new_figure(width, height)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=list(ratio))
    left.set_title("paper")
    right.set_title("measured")
    return figure, left, right


def draw_points(
    axes: Axes,
    rows: pd.DataFrame,
    places: Iterable[float],
    *,
    factor: float = 100,
    color: str = PALETTE[0],
    marker: str = "o",
    label: str | None = None,
    vertical: bool = True,
) -> None:
    """Dots, with intervals where there are any.

    Args:
        axes: Where to draw.
        rows: Rows of a numbers table.
        places: Place of each row on the other axis.
        factor: What estimates are multiplied by.
        color: Color.
        marker: Marker.
        label: Entry in the legend.
        vertical: Whether the value runs upwards.
    """
    value, places = factor * rows["estimate"].to_numpy(dtype=np.float64), list(places)
    ends = factor * rows[["ci_low", "ci_high"]].to_numpy(dtype=np.float64)
    known = np.isfinite(ends).all(axis=1, keepdims=True)
    spread = np.where(known, np.stack([value - ends[:, 0], ends[:, 1] - value], -1), 0).clip(min=0).T
    style = {"fmt": marker, "color": color, "markersize": 4.5, "elinewidth": 1.1, "label": label, "zorder": 3}
    if vertical:
        axes.errorbar(places, value, yerr=spread, **style)  # type: ignore[arg-type]
    else:
        axes.errorbar(value, places, xerr=spread, **style)  # type: ignore[arg-type]


def zero_line(axes: Axes, *, vertical: bool = True, at: float = 0) -> None:
    """A faint line where nothing changes."""
    (axes.axhline if vertical else axes.axvline)(at, color=FAINT, linewidth=1.2, zorder=1)


def name_ticks(axes: Axes, names: Sequence[str], *, vertical: bool = True) -> None:
    """Name the places 0, 1, ... of an axis."""
    axis = axes.xaxis if vertical else axes.yaxis
    axis.set_ticks(range(len(names)), list(names))
    axes.tick_params(axis="x" if vertical else "y", length=0, labelcolor=INK)
    limits = (-0.6, len(names) - 0.4)
    if vertical:
        axes.set_xlim(*limits)
    else:
        axes.set_ylim(limits[1], limits[0])


def footnote(figure: Figure, text: str) -> None:
    """A small line under the figure: what the intervals are, and on how much data they rest."""
    room = 0.93 * figure.get_figwidth()
    lines = "\n".join(wrap(text, room, SMALL_SIZE))
    figure.supxlabel(lines, fontsize=SMALL_SIZE, color=MUTED, x=0.01, horizontalalignment="left")


def sizes(rows: pd.DataFrame, what: str = "questions about absent objects") -> str:
    """How much data is behind measured rows, and what their intervals are."""
    counted = rows.dropna(subset=["n_images", "n_questions"])
    if counted.empty:
        return "no data"
    images, questions = int(counted["n_images"].max()), int(counted["n_questions"].max())
    return f"95% intervals clustered by image; {images:,} images, {questions:,} {what}"
