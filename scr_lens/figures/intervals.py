"""Parts that figures of estimates with intervals share."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scr_lens.figures.style import SMALL_SIZE


def draw_dots(axes: Axes, x: np.ndarray, part: pd.DataFrame, color: str, marker: str, label: str) -> None:
    """Draw estimates with their intervals.

    Args:
        axes: Where.
        x: Place of each estimate.
        part: Rows with estimate, ci_low and ci_high.
        color: Color of dots and arms.
        marker: Shape of the dots.
        label: Name in the legend.
    """
    axes.errorbar(
        x,
        part["estimate"],
        yerr=arms(part),
        fmt=marker,
        color=color,
        markersize=3.6,
        elinewidth=0.9,
        label=label,
        zorder=3,
    )


def arms(part: pd.DataFrame) -> np.ndarray:
    """Lengths of the lower and the upper arm of each interval.

    Args:
        part: Rows with estimate, ci_low and ci_high.

    Returns:
        Two rows, both at least 0.
    """
    value, low, high = (part[name].to_numpy(dtype=np.float64) for name in ("estimate", "ci_low", "ci_high"))
    return np.stack([value - low, high - value]).clip(min=0)


def shared_legend(figure: Figure, panels: Iterable[Axes], columns: int) -> None:
    """One legend below all panels, each name once.

    Args:
        figure: The figure.
        panels: Panels whose labels it lists.
        columns: Number of columns.
    """
    found: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(
        found.values(),
        found.keys(),
        title="95% intervals, clustered by image",
        title_fontsize=SMALL_SIZE,
        loc="outside lower center",
        ncols=columns,
    )
