"""Hallucination rate and accuracy by split and condition, as dots with intervals.

The intervals of two conditions may overlap although the same questions changed: the third panel therefore
shows the paired change, which is what conditions are to be compared by.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scr_lens.figures.style import (
    FAINT,
    INK,
    MUTED,
    PAGE_WIDTH,
    PALETTE,
    SMALL_SIZE,
    finish,
    house_style,
    new_figure,
)
from scr_lens.figures.tables import BASELINE, DIFFERENCE, condition_table, ordered_conditions
from scr_lens.figures.text import printable

_ROW, _FRAME = 0.17, 1.2
_PANELS = {
    "hallucination_rate": ("hallucination rate", "percent of absent objects"),
    "accuracy": ("accuracy", "percent of all questions"),
    DIFFERENCE: ("change of hallucination rate", "percentage points to {baseline}, paired"),
}
_MARKERS = "osD^vP*"


def conditions_figure(frame: pd.DataFrame) -> Figure:
    """Draw hallucination rate and accuracy of every condition, split by split.

    Args:
        frame: Records of one model.

    Returns:
        Three panels with one dot and one image-clustered 95% interval per split and condition: hallucination
        rate, accuracy and the paired change of the rate; a gray line marks the baseline.

    Raises:
        DataError: As `condition_table`.
    """
    return dot_figure(condition_table(frame))


@house_style()
def dot_figure(table: pd.DataFrame) -> Figure:
    """Draw a condition table.

    Args:
        table: As returned by `condition_table`.

    Returns:
        The figure of `conditions_figure`.
    """
    conditions = ordered_conditions(table["condition"].tolist())
    places = row_places(table)
    figure = new_figure(PAGE_WIDTH, _FRAME + _ROW * (max(places.values()) + 1))
    panels = figure.subplots(1, 3, sharey=True)
    baseline = table.attrs.get("baseline", BASELINE)
    for axes, (metric, (title, unit)) in zip(panels, _PANELS.items(), strict=True):
        _draw_panel(axes, table, metric, conditions, places)
        axes.set_title(title)
        axes.set_xlabel(unit.format(baseline=printable(baseline)))
        axes.tick_params(axis="y", length=0)
    _label_splits(panels[0], table, places)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        title="95% intervals, clustered by image",
        title_fontsize=SMALL_SIZE,
        loc="outside lower center",
        ncols=min(5, len(conditions)),
    )
    return finish(figure)


def row_places(table: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Vertical place of each row: conditions of a split next to each other, one empty place between splits.

    Args:
        table: As returned by `condition_table`.

    Returns:
        Place by (split, condition), counted from the top.
    """
    places: dict[tuple[str, str], int] = {}
    previous, place = None, -2
    for split, condition in zip(table["split"], table["condition"], strict=True):
        place += 1 if split == previous else 2
        places[split, condition] = max(place, 0)
        place, previous = max(place, 0), split
    return places


def _draw_panel(
    axes: Axes,
    table: pd.DataFrame,
    metric: str,
    conditions: list[str],
    places: dict[tuple[str, str], int],
) -> None:
    for number, condition in enumerate(conditions):
        part = table[table["condition"] == condition].dropna(subset=[metric])
        y = [places[split, condition] for split in part["split"]]
        value, low, high = (100 * part[metric + end].to_numpy() for end in ("", "_low", "_high"))
        axes.errorbar(
            value,
            y,
            xerr=np.stack([value - low, high - value]).clip(min=0),
            fmt=_MARKERS[number % len(_MARKERS)],
            color=_color(condition, number),
            markersize=4,
            elinewidth=1.1,
            label=printable(condition),
            zorder=3,
        )
    if metric == DIFFERENCE:
        axes.axvline(0, color=FAINT, linewidth=1.2, zorder=1)
    else:
        _draw_baseline(axes, table, metric, places)
    axes.margins(x=0.06)
    if metric == DIFFERENCE:  # one point to each side at least: changes of nothing are not to look like much
        left, right = axes.get_xlim()
        axes.set_xlim(min(left, -1.0), max(right, 1.0))


def _color(condition: str, number: int) -> str:
    return MUTED if condition == BASELINE else PALETTE[(number - 1) % len(PALETTE)]


def _draw_baseline(axes: Axes, table: pd.DataFrame, metric: str, places: dict[tuple[str, str], int]) -> None:
    baseline = table.attrs.get("baseline", BASELINE)
    for split, part in table.groupby("split", sort=False):
        value = part.loc[part["condition"] == baseline, metric]
        rows = [places[str(split), name] for name in part["condition"]]
        if len(value) == 1:
            axes.vlines(100 * value, min(rows) - 0.5, max(rows) + 0.5, colors=FAINT, linewidth=1.2, zorder=1)


def _label_splits(axes: Axes, table: pd.DataFrame, places: dict[tuple[str, str], int]) -> None:
    ticks, labels = [], []
    for split, part in table.groupby("split", sort=False):
        rows = [places[str(split), name] for name in part["condition"]]
        ticks.append((min(rows) + max(rows)) / 2)
        images, questions = int(part["n_images"].max()), int(part["n_questions"].max())
        labels.append(f"{printable(str(split))}\n{images:,} images\n{questions:,} questions")
    axes.set_yticks(ticks, labels, color=INK, fontsize=SMALL_SIZE)
    axes.set_ylim(max(places.values()) + 0.8, -0.8)
