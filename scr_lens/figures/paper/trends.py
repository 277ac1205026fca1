"""Figure 2: hallucination rates of all models and methods, the paper's and ours on one scale."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scr_lens.analysis.conditions import condition_names, require_conditions
from scr_lens.analysis.hallucination import metric_interval
from scr_lens.analysis.records import absent_questions, of_condition, of_split, split_names
from scr_lens.evidence import Evidence
from scr_lens.figures.paper.parts import (
    MARKERS,
    MEASURED,
    METHOD_NAMES,
    PAPER,
    draw_points,
    footnote,
    measured_row,
    name_ticks,
    numbers,
    of_source,
    paper_row,
    sizes,
)
from scr_lens.figures.style import MUTED, PAGE_WIDTH, PALETTE, finish, house_style, new_figure
from scr_lens.figures.tables import ordered_splits
from scr_lens.paper import load
from scr_lens.paper import table as paper_table

_SHOWN = {"vanilla": MUTED, "uniform-smooth": PALETTE[2], "scr": PALETTE[0]}


def collect_trends(evidence: Evidence) -> pd.DataFrame:
    """Hallucination rate per model, split and method.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels model, split, method; rates in [0, 1]. A method has no row for a split that it was
        not asked about.

    Raises:
        DataError: If vanilla or scr was not run.
    """
    require_conditions(evidence.answers, "vanilla", "scr")
    rows = _paper_rows()
    for split in ordered_splits(split_names(evidence.answers)) or ["all"]:
        frame = of_split(evidence.answers, split) if split != "all" else evidence.answers
        for name in [name for name in _SHOWN if name in condition_names(frame)]:
            part = of_condition(frame, name)
            found = metric_interval(part, "hallucination_rate")
            rows.append(
                measured_row(
                    found, len(absent_questions(part)), model=evidence.name, split=split, method=name
                )
            )
    return numbers(rows, ["model", "split", "method"])


def _paper_rows() -> list[dict[str, Any]]:
    splits = paper_table(3)
    rows = [
        paper_row(model=model, split=split, method=method, estimate=hr / 100)
        for method in ("vanilla", "scr")
        for model, split, hr in zip(splits["model"], splits["split"], splits[f"hr_{method}"], strict=True)
    ]
    uniform = load().pope_adversarial.query("method == 'Uniform-Smooth'")
    cells = {"split": "adversarial", "method": "uniform-smooth"}
    pairs = zip(uniform["model"], uniform["hr"], strict=True)
    return rows + [paper_row(model=model, estimate=hr / 100, **cells) for model, hr in pairs]


@house_style()
def draw_trends(table: pd.DataFrame) -> Figure:
    """Draw Figure 2.

    Args:
        table: Output of `collect_trends`.

    Returns:
        One panel per split; the paper's models above, ours below the line, one scale for all.
    """
    splits = ordered_splits(table["split"].unique().tolist())
    models = [
        *dict.fromkeys(of_source(table, PAPER)["model"]),
        *dict.fromkeys(of_source(table, MEASURED)["model"]),
    ]
    figure = new_figure(PAGE_WIDTH, 1.3 + 0.25 * len(models))
    panels = np.atleast_1d(figure.subplots(1, len(splits), sharey=True, sharex=True))
    for axes, split in zip(panels, splits, strict=True):
        part = table[table["split"] == split]
        for number, (method, color) in enumerate(_SHOWN.items()):
            marker, rows = MARKERS[number], part[part["method"] == method]
            places = [
                models.index(model) + 0.22 * (number - 1) * (source == MEASURED)
                for model, source in zip(rows["model"], rows["source"], strict=True)
            ]
            draw_points(
                axes, rows, places, color=color, marker=marker, label=METHOD_NAMES[method], vertical=False
            )
        axes.axhline(len(models) - 1.5, color=MUTED, linewidth=0.6, linestyle=":")
        axes.set_title(split)
        axes.set_xlabel("hallucination rate (%)")
    name_ticks(panels[0], [*models[:-1], f"{models[-1]} (measured)"], vertical=False)
    panels[0].set_xlim(left=0)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))
    footnote(
        figure, "above the line: the paper, no intervals given. Below: " + sizes(of_source(table, MEASURED))
    )
    return finish(figure)
