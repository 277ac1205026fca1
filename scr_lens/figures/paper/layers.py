"""C1 and C2: norm against credit, and norm gain, layer by layer."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scr_lens.analysis.conditions import MissingEvidenceError, condition_names
from scr_lens.analysis.correlation import fisher_mean
from scr_lens.analysis.layer_gains import layer_gain_table
from scr_lens.evidence import Evidence
from scr_lens.figures.paper.parts import (
    MARKERS,
    MEASURED,
    METHOD_NAMES,
    PAPER,
    PAPER_COLOR,
    footnote,
    measured_row,
    numbers,
    of_source,
    paper_row,
    zero_line,
)
from scr_lens.figures.style import PALETTE, finish, house_style, new_figure
from scr_lens.paper import stated

_ACTIVE_COLOR = "#eef3f7"
_GAIN_CONDITIONS = ("scr", "uniform-smooth", "gaussian-noise", "norm-only")


def collect_norm_credit(evidence: Evidence) -> pd.DataFrame:
    """Mean correlation of patch norm and credit per estimator and layer.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels series (estimator), layer and is_early.

    Raises:
        MissingEvidenceError: If no credit is known.
    """
    if evidence.credit is None:
        raise MissingEvidenceError("needs stored norms and attention maps of the vanilla condition")
    rows = [paper_row(series="mean of six models, early layers", estimate=stated("norm_credit_r"))]
    for (estimator, number), part in evidence.credit.groupby(["estimator", "layer"], sort=True):
        layer = int(str(number))
        known = part.dropna(subset=["pearson"])
        cells = {"series": estimator, "layer": layer, "is_early": layer in evidence.early_layers}
        found = None
        if known["image_id"].nunique() > 1 and known["pearson"].nunique() > 1:
            found = fisher_mean(known["pearson"].to_numpy(), known["image_id"].tolist())
        rows.append(measured_row(found, len(known), **cells))
    return numbers(rows, ["series", "layer", "is_early"])


@house_style()
def draw_norm_credit(table: pd.DataFrame) -> Figure:
    """Draw C1.

    Args:
        table: Output of `collect_norm_credit`.

    Returns:
        One curve with its band per estimator; the paper's value as a line over the early layers.
    """
    figure = new_figure(5.2, 3.1)
    axes = figure.subplots()
    measured = of_source(table, MEASURED)
    early = measured.loc[measured["is_early"].astype(bool), "layer"].astype(int)
    _shade_layers(axes, early.tolist())
    zero_line(axes)
    paper = of_source(table, PAPER)["estimate"].item()
    axes.plot(
        [early.min() - 0.4, early.max() + 0.4],
        [paper, paper],
        color=PAPER_COLOR,
        linewidth=2,
        label="paper: six models",
    )
    _draw_curves(axes, measured, factor=1)
    axes.set_ylim(-1.02, 1.02)
    axes.set_ylabel("r between norm and credit")
    axes.legend(title="credit by", loc="center left", bbox_to_anchor=(1.01, 0.5), title_fontsize=6.5)
    footnote(figure, "bands: 95% intervals clustered by image; shaded: early layers. " + _counts(measured))
    return finish(figure)


def collect_norm_gain(evidence: Evidence) -> pd.DataFrame:
    """Total norm of the image tokens after and before, per condition and layer.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels series (condition), layer and is_early (whether SCR acts there); ratios.

    Raises:
        MissingEvidenceError: If norms or conditions are missing.
    """
    low, high = stated("norm_increase_low") / 100 + 1, stated("norm_increase_high") / 100 + 1
    rows = [paper_row(series="last layer of the range", estimate=(low + high) / 2, ci_low=low, ci_high=high)]
    held = [name for name in _GAIN_CONDITIONS if name in condition_names(evidence.every_condition)]
    if "scr" not in held:
        raise MissingEvidenceError("needs condition scr with stored norms")
    for name in held:
        for row in layer_gain_table(evidence.every_condition, name).to_dict("records"):
            rows.append(
                {"source": MEASURED, "series": name, "is_early": row["layer"] in evidence.early_layers}
                | {str(name): value for name, value in row.items()}
            )
    return numbers(rows, ["series", "layer", "is_early"])


@house_style()
def draw_norm_gain(table: pd.DataFrame) -> Figure:
    """Draw C2.

    Args:
        table: Output of `collect_norm_gain`.

    Returns:
        One curve with its band per condition; the paper's range at the last layer that SCR acts on.
    """
    figure = new_figure(5.2, 3.1)
    axes = figure.subplots()
    measured, paper = of_source(table, MEASURED), of_source(table, PAPER).iloc[0]
    early = measured.loc[measured["is_early"].astype(bool), "layer"].astype(int)
    _shade_layers(axes, early.tolist())
    zero_line(axes, at=0)
    low, middle, high = (100 * (paper[name] - 1) for name in ("ci_low", "estimate", "ci_high"))
    spread = [[middle - low], [high - middle]]
    axes.errorbar(
        [early.max()],
        [middle],
        yerr=spread,
        fmt="D",
        color=PAPER_COLOR,
        label="paper: six models",
        markersize=4,
    )
    _draw_curves(axes, measured.assign(series=measured["series"].map(METHOD_NAMES)), factor=100, shift=1)
    axes.set_ylabel("change of the total norm of image tokens (%)")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    footnote(
        figure, "bands: 95% intervals clustered by image; shaded: layers where SCR acts. " + _counts(measured)
    )
    return finish(figure)


def _draw_curves(axes: Axes, rows: pd.DataFrame, *, factor: float, shift: float = 0) -> None:
    for number, (name, part) in enumerate(rows.groupby("series", sort=False)):
        color = PALETTE[number % len(PALETTE)]
        x = part["layer"].astype(int).to_numpy()
        value, low, high = (
            factor * (part[c].to_numpy(dtype=np.float64) - shift) for c in ("estimate", "ci_low", "ci_high")
        )
        axes.plot(
            x, value, color=color, marker=MARKERS[number % 8], markersize=3.5, label=str(name), zorder=3
        )
        axes.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True))
    axes.set_xlabel("layer (from 0)")


def _shade_layers(axes: Axes, layers: list[int]) -> None:
    axes.axvspan(min(layers) - 0.4, max(layers) + 0.4, color=_ACTIVE_COLOR, linewidth=0, zorder=0)


def _counts(rows: pd.DataFrame) -> str:
    counts = rows.groupby("series", sort=False)["n_questions"].max().astype(int)
    if counts.nunique() == 1:
        return f"n = {counts.iloc[0]:,} questions"
    return "n = " + ", ".join(f"{count:,} ({name})" for name, count in counts.items())
