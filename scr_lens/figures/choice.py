"""The grid that settings were chosen from."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scr_lens.figures.style import (
    ALERT,
    FAINT,
    INK,
    MUTED,
    PAGE_WIDTH,
    SMALL_SIZE,
    finish,
    house_style,
    new_figure,
)
from scr_lens.figures.text import printable

_PANELS = {
    "d_hallucination_rate": "change of the hallucination rate",
    "d_accuracy": "change of accuracy",
}


@house_style()
def choice_figure(grid: pd.DataFrame) -> Figure:
    """Draw every setting's change of hallucination rate and accuracy on the validation questions.

    Args:
        grid: `analysis.causal.Choice.grid`.

    Returns:
        One row per setting with image-clustered 95% intervals of the paired changes; the chosen one is
        colored, settings that lose too much accuracy are open.
    """
    figure = new_figure(PAGE_WIDTH, 1.2 + 0.2 * len(grid))
    panels = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(grid))
    for axes, (name, title) in zip(panels, _PANELS.items(), strict=True):
        axes.axvline(0, color=FAINT, linewidth=1.2, zorder=0)
        for kind, (color, face, label) in _KINDS.items():
            rows = _kinds(grid) == kind
            part = 100 * grid.loc[rows, [name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=np.float64)
            if len(part) == 0:
                continue
            axes.errorbar(
                part[:, 0],
                y[rows],
                xerr=np.stack([part[:, 0] - part[:, 1], part[:, 2] - part[:, 0]]).clip(min=0),
                fmt="o",
                color=color,
                markerfacecolor=face,
                markersize=4,
                elinewidth=1.0,
                label=label,
            )
        left, right = axes.get_xlim()  # a point to each side at least: nothing is not to look like much
        axes.set_xlim(min(left, -1.0), max(right, 1.0))
        axes.set_title(title)
        axes.set_xlabel("percentage points to vanilla, paired")
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(y, [printable(str(name)) for name in grid["setting"]], fontsize=SMALL_SIZE)
    panels[0].invert_yaxis()
    images, questions = int(grid["n_images"].max()), int(grid["n_questions"].max())
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        title=f"{images:,} validation images, {questions:,} questions; 95% intervals, clustered by image",
        title_fontsize=SMALL_SIZE,
        loc="outside lower center",
        ncols=3,
    )
    return finish(figure)


_KINDS = {
    "other": (INK, INK, "keeps its accuracy"),
    "lossy": (MUTED, "white", "loses too much accuracy"),
    "chosen": (ALERT, ALERT, "chosen"),
}


def _kinds(grid: pd.DataFrame) -> np.ndarray:
    kept = np.where(grid["keeps_accuracy"].to_numpy(dtype=bool), "other", "lossy")
    return np.where(grid["chosen"].to_numpy(dtype=bool), "chosen", kept)
