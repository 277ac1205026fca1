"""Entropy per layer before and after, each kind on an axis of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator

from scr_lens.config import LayerRange
from scr_lens.figures.style import AFTER, BEFORE, MUTED, SMALL_SIZE

if TYPE_CHECKING:
    from scr_lens.inspection import Inspection

_ACTIVE_COLOR, _DIAGNOSTIC_COLOR = "#cfe5f3", MUTED
_LEAST_SPAN = 2e-4


def draw_entropies(figure: FigureBase, inspection: Inspection, *, is_active: bool = True) -> None:
    """Draw normalized norm entropy and attention entropy over the layers, in two panels.

    The two differ by orders of magnitude in how far they are from 1 (norms are nearly uniform), so one axis
    would hide one of them; each panel's axis covers its own data and says that it does not start at 0.

    Args:
        figure: Figure or part of one.
        inspection: What was measured.
        is_active: Whether the method acts at all; if not, its layers are not marked.
    """
    before, after = inspection.before, inspection.after
    panels = figure.subplots(1, 2)
    curves = {
        "norm entropy": (before.norm_entropy, after.norm_entropy),
        "attention entropy": (before.attention_entropy, after.attention_entropy),
    }
    for axes, (name, pair) in zip(panels, curves.items(), strict=True):
        if is_active:
            _shade(axes, inspection.layers)
        _bracket(axes, inspection.diagnostic_layers)
        _draw_pair(axes, *pair)
        low, high = entropy_limits(*pair)
        axes.set_ylim(low, high)
        axes.set_ylabel("normalized entropy")
        axes.set_title(name if low <= 0 else f"{name} (axis starts at {_short(low, high)})")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=SMALL_SIZE)


def entropy_limits(*curves: Float[np.ndarray, " layer"]) -> tuple[float, float]:
    """Axis limits that show the data and never hide how far it is from 1.

    Args:
        curves: Normalized entropies of everything on the axis.

    Returns:
        Limits around the data, within [0, 1] up to the margin; the whole of 0 to 1 if the data covers over
        half of it, and never a span so small that rounding would look like an effect.
    """
    values = np.concatenate([np.asarray(curve, dtype=np.float64).reshape(-1) for curve in curves])
    values = values[np.isfinite(values)]
    if values.size == 0 or np.ptp(values) > 0.5:
        return 0.0, 1.02
    span = max(float(np.ptp(values)), _LEAST_SPAN)
    center = (float(values.min()) + float(values.max())) / 2
    low, high = center - 0.65 * span, center + 0.65 * span
    return max(0.0, low), min(high, 1 + 0.1 * span)


def _draw_pair(axes: Axes, before: Float[np.ndarray, " layer"], after: Float[np.ndarray, " layer"]) -> None:
    layers = np.arange(len(before))
    size = 3.2 if len(layers) <= 16 else 0.0
    axes.plot(layers, before, color=BEFORE, marker="o", markersize=size + 1.2, label="before", zorder=3)
    axes.plot(
        layers, after, color=AFTER, marker="o", markersize=size, label="after", linestyle="--", zorder=4
    )
    axes.set_xlim(-0.5, len(layers) - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.set_xlabel("layer (from 0)")


def _shade(axes: Axes, layers: LayerRange) -> None:
    ends = layers.first - 0.5, layers.last + 0.5
    axes.axvspan(*ends, color=_ACTIVE_COLOR, linewidth=0, label="layers where the method acts", zorder=0)


def _bracket(axes: Axes, layers: LayerRange) -> None:
    """A bar along the bottom of the axes over the diagnostic layers."""
    axes.plot(
        [layers.first - 0.4, layers.last + 0.4],
        [0.02, 0.02],
        transform=axes.get_xaxis_transform(),
        color=_DIAGNOSTIC_COLOR,
        linewidth=3,
        solid_capstyle="butt",
        alpha=0.5,
        label="layers of attention map A",
        zorder=1,
    )


def _short(low: float, high: float) -> str:
    """A limit with as many digits as tell it from the other."""
    digits = int(np.clip(np.ceil(-np.log10(high - low)) + 1, 2, 6))
    return f"{low:.{digits}f}"
