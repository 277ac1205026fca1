"""Figures of the causal tests: what predicts ablation, and what doses do. The others are next door."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from scr_lens.analysis.causal import CreditAgreement, DoseResponse
from scr_lens.figures.causal_answers import direction_figure, prior_figure
from scr_lens.figures.intervals import arms, draw_dots, shared_legend
from scr_lens.figures.style import (
    ALERT,
    FAINT,
    INK,
    MUTED,
    PAGE_WIDTH,
    PALETTE,
    finish,
    house_style,
    new_figure,
)
from scr_lens.figures.text import printable

_MARKERS = "osD^vP*"
_LEAST_SPAN = 2e-3
_NAMES = MappingProxyType(
    {
        "attribution": "gradient x (patch - mean)",
        "grad_norm": "gradient norm x norm",
        "grad_dot": "|gradient . patch|",
        "norm": "norm",
        "attention": "attention, this block",
        "attention_next": "attention, next block",
        "attention_map": "attention map A",
    }
)


@house_style()
def credit_figure(result: CreditAgreement) -> Figure:
    """Draw how well every cheap estimator predicts ablation, block by block.

    Args:
        result: Agreement with ablation.

    Returns:
        Left, Spearman's rho over patches; right, overlap of the strongest patches with its chance level. Dots
        are means over samples with image-clustered 95% intervals.
    """
    figure = new_figure(PAGE_WIDTH, 3.4)
    panels = figure.subplots(1, 2)
    titles = {
        "spearman": "rank agreement with |ablation|",
        "overlap": f"of the {result.top_k} strongest patches, share found",
    }
    for axes, (kind, title) in zip(panels, titles.items(), strict=True):
        _draw_agreement(axes, result.table[result.table["kind"] == kind])
        axes.set_title(title)
        axes.set_xlabel("block after which patches are ablated (from 0)")
    panels[0].axhline(0, color=FAINT, linewidth=1.0, zorder=0)
    panels[0].set_ylabel("Spearman's rho over patches")
    panels[1].set_ylim(-0.02, 1.04)
    panels[1].set_ylabel("overlap")
    shared_legend(figure, panels, 4)
    return finish(figure)


def _draw_agreement(axes: Axes, table: pd.DataFrame) -> None:
    layers = sorted(table["layer"].unique())
    names = list(dict.fromkeys(table["estimator"]))
    for number, name in enumerate(names):
        part = table[table["estimator"] == name].set_index("layer").reindex(layers)
        x = np.arange(len(layers)) + 0.7 * ((number + 0.5) / len(names) - 0.5)
        draw_dots(axes, x, part, PALETTE[number % len(PALETTE)], _MARKERS[number % 7], _NAMES.get(name, name))
    chance = float(table["chance"].iloc[0])
    if chance > 0:
        axes.axhline(chance, color=MUTED, linewidth=0.9, linestyle=":", label="by chance", zorder=1)
    axes.set_xticks(range(len(layers)), [str(layer) for layer in layers])
    axes.tick_params(axis="x", length=0)


@house_style()
def dose_figure(result: DoseResponse) -> Figure:
    """Draw what every dose does to entropy and to p(yes), and one against the other.

    Args:
        result: Dose and response.

    Returns:
        One row per instrument: change of mean entropy by dose, change of mean p(yes) by dose for absent and
        present objects, and p(yes) on absent objects against entropy with the line that the association over
        untouched questions predicts.
    """
    instruments = list(dict.fromkeys(result.doses["instrument"]))
    figure = new_figure(PAGE_WIDTH, 0.8 + 1.9 * len(instruments))
    grid = figure.subplots(len(instruments), 3, squeeze=False)
    for row, name in zip(grid, instruments, strict=True):
        table = result.doses[result.doses["instrument"] == name]
        _draw_dose(row[0], table, {"entropy": (INK, "entropy")})
        _draw_dose(
            row[1],
            table,
            {"p_yes absent": (ALERT, "absent object"), "p_yes present": (PALETTE[0], "present object")},
        )
        _draw_response(row[2], table, result)
        row[0].set_ylabel(f"change of {result.entropy} entropy")
        row[1].set_ylabel("change of p(yes)")
        row[2].set_ylabel("change of p(yes), absent")
        _widen(row[0].get_ylim, row[0].set_ylim)
        _widen(row[2].get_xlim, row[2].set_xlim)
        row[0].set_title(_instrument(name))
        for axes in row[:2]:
            axes.set_xlabel("dose (log scale; 1 is untouched)")
        row[2].set_xlabel(f"change of {result.entropy} entropy")
    shared_legend(figure, list(grid[0]), 4)
    return finish(figure)


def _widen(get: Callable[[], tuple[float, float]], put: Callable[[float, float], object]) -> None:
    """Make an axis of entropy so wide that rounding does not look like an effect."""
    low, high = get()
    missing = max(0.0, _LEAST_SPAN - (high - low)) / 2
    put(low - missing, high + missing)


def _instrument(name: str) -> str:
    known = {
        "temperature": "temperature of attention, diagnostic blocks",
        "temperature-all": "temperature of attention, all blocks",
    }
    return known.get(name, f"strength of {printable(name)}")


def _draw_dose(axes: Axes, table: pd.DataFrame, lines: Mapping[str, tuple[str, str]]) -> None:
    axes.axhline(0, color=FAINT, linewidth=1.0, zorder=0)
    axes.axvline(1, color=FAINT, linewidth=1.0, zorder=0)
    for quantity, (color, label) in lines.items():
        part = table[table["quantity"] == quantity].sort_values("dose")
        axes.plot(part["dose"], part["estimate"], color=color, linewidth=0.8, zorder=2)
        draw_dots(axes, part["dose"].to_numpy(), part, color, "o", label)
    axes.set_xscale("log")
    doses = sorted(table["dose"].unique())
    shown = [dose for k, dose in enumerate(doses) if k in (0, len(doses) - 1)] + [1.0]
    axes.xaxis.set_major_locator(FixedLocator(sorted(shown)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))


def _draw_response(axes: Axes, table: pd.DataFrame, result: DoseResponse) -> None:
    wide = {name: part.set_index("dose").sort_index() for name, part in table.groupby("quantity")}
    x, y = wide["entropy"], wide["p_yes absent"]
    axes.axhline(0, color=FAINT, linewidth=1.0, zorder=0)
    axes.axvline(0, color=FAINT, linewidth=1.0, zorder=0)
    ends = np.array([min(x["estimate"].min(), 0.0), max(x["estimate"].max(), 0.0)])
    axes.errorbar(
        x["estimate"],
        y["estimate"],
        xerr=arms(x),
        yerr=arms(y),
        fmt="o",
        color=ALERT,
        markersize=3.5,
        elinewidth=0.9,
        zorder=3,
    )
    low, high = axes.get_ylim()
    slope = result.association.interval.estimate / result.sd
    axes.plot(ends, slope * ends, color=MUTED, linestyle=":", label="expected from untouched questions")
    axes.set_ylim(low, high)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))


CAUSAL_FIGURES: Mapping[str, Callable[[Any], Figure]] = MappingProxyType(
    {
        "credit": credit_figure,
        "attention": dose_figure,
        "norm": dose_figure,
        "prior": prior_figure,
        "direction": direction_figure,
    }
)
"""How to draw each result of the causal tests, by the result's name."""
