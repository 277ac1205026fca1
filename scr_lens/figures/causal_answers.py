"""Figures of the causal tests that follow answers: on other backgrounds, and along the blocks."""

from types import MappingProxyType

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scr_lens.analysis.causal import AnswerDirection, ScenePrior
from scr_lens.figures.intervals import arms, shared_legend
from scr_lens.figures.style import (
    ALERT,
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
from scr_lens.figures.text import printable

_OUTCOME_COLORS = MappingProxyType(
    {"false yes": ALERT, "right yes": PALETTE[0], "missed": PALETTE[4], "right no": MUTED}
)


@house_style()
def prior_figure(result: ScenePrior) -> Figure:
    """Draw the rate of yes on backgrounds that do and do not predict the object, and the difference.

    Args:
        result: Effect of the background.

    Returns:
        Left, both rates per condition and kind of object, joined; right, their paired difference with
        scene-clustered 95% interval.
    """
    table = result.table[result.table["measure"] == "yes"].reset_index(drop=True)
    figure = new_figure(PAGE_WIDTH, 1.1 + 0.28 * len(table))
    rates, differences = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(table))
    rates.hlines(y, 100 * table["outside"], 100 * table["inside"], colors=FAINT, linewidth=2.5, zorder=1)
    marks = {"outside": (MUTED, "o", "does not predict it"), "inside": (ALERT, "D", "predicts the object")}
    for side, (color, marker, label) in marks.items():
        rates.plot(100 * table[side], y, marker, color=color, markersize=4.5, label=f"background {label}")
    differences.axvline(0, color=FAINT, linewidth=1.2, zorder=0)
    differences.errorbar(
        100 * table["estimate"],
        y,
        xerr=100 * arms(table),
        fmt="s",
        color=INK,
        markersize=4,
        elinewidth=1.1,
    )
    kinds = {"no": "absent object", "yes": "present object"}
    names = [
        f"{kinds[str(label)]}, {printable(str(condition))}\n{count:,} pairs, {images:,} scenes"
        for label, condition, count, images in zip(
            table["label"], table["condition"], table["n_questions"], table["n_images"], strict=True
        )
    ]
    rates.set_yticks(y, names, fontsize=SMALL_SIZE)
    rates.invert_yaxis()
    rates.set_title("answers yes")
    rates.set_xlabel("percent")
    rates.margins(y=0.18)
    differences.set_title("difference by the background")
    differences.set_xlabel("percentage points, paired by scene and object")
    for axes in (rates, differences):
        axes.tick_params(axis="y", length=0)
    shared_legend(figure, [rates], 2)
    return finish(figure)


@house_style()
def direction_figure(result: AnswerDirection, *, baseline: str = "vanilla") -> Figure:
    """Draw the yes-minus-no logit along the blocks, and what interventions change.

    Args:
        result: Profiles and changes.
        baseline: The untouched condition.

    Returns:
        Left, the logit-lens reading per depth and outcome, untouched; middle, what each block adds; right,
        the change of the reading by every other condition, for false yes and right yes. Bands are
        image-clustered 95% intervals.
    """
    figure = new_figure(PAGE_WIDTH, 3.3)
    reading, added, change = figure.subplots(1, 3)
    untouched = result.profiles[result.profiles["condition"] == baseline]
    for outcome, color in _OUTCOME_COLORS.items():
        part = untouched[untouched["outcome"] == outcome]
        _band(reading, part[part["kind"] == "reading"], color, "-", _counted(outcome, part))
        _band(added, part[part["kind"] == "attribution"], color, "-", "")
    moved = result.changes[(result.changes["kind"] == "reading")]
    for condition, style in zip(dict.fromkeys(moved["condition"]), ("-", "--", ":", "-."), strict=False):
        for outcome in ("false yes", "right yes"):
            part = moved[(moved["condition"] == condition) & (moved["outcome"] == outcome)]
            label = printable(str(condition)) if outcome == "false yes" else ""
            _band(change, part, _OUTCOME_COLORS[outcome], style, label)
    titles = {reading: "read out at each depth", added: "added by each block", change: "changed by"}
    for axes, title in titles.items():
        axes.axhline(0, color=FAINT, linewidth=1.0, zorder=0)
        axes.set_title(title)
        axes.set_xlabel("depth (0: input, l + 1: block l)")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    reading.set_ylabel("logit of yes minus logit of no")
    if change.get_legend_handles_labels()[0]:
        change.legend(loc="best", title="false yes and right yes", title_fontsize=SMALL_SIZE)
    shared_legend(figure, [reading], 4)
    return finish(figure)


def _counted(outcome: str, part: pd.DataFrame) -> str:
    return f"{outcome} (n = {int(part['n_questions'].max()):,})" if len(part) else outcome


def _band(axes: Axes, part: pd.DataFrame, color: str, style: str, label: str) -> None:
    part = part.sort_values("depth")
    if len(part) == 0:
        return
    axes.fill_between(part["depth"], part["ci_low"], part["ci_high"], color=color, alpha=0.18, linewidth=0)
    axes.plot(part["depth"], part["estimate"], color=color, linestyle=style, label=label or None)
