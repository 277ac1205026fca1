"""The house style: fonts that ship with matplotlib, sizes for print, colors that survive color blindness.

Nothing here touches global settings on import; a figure is built inside `with house_style():` and never goes
through pyplot, so drawing needs no display and leaves no figure behind.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

COLUMN_WIDTH = 3.5
"""Width in inches of a figure that fills one column of a two-column page."""

PAGE_WIDTH = 7.2
"""Width in inches of a figure that fills the page."""

DPI = 200

INK = "#1a1a1a"
MUTED = "#6b6b6b"
FAINT = "#d9d9d9"
BEFORE = "#6b6b6b"
AFTER = "#0072b2"
ALERT = "#d55e00"

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1a1a1a")
"""Okabe and Ito's colors without yellow, which is lost on white paper."""

SEQUENTIAL = "viridis"
SEQUENTIAL_ALTERNATIVE = "cividis"
DIVERGING = "RdBu_r"

MINUS = "\N{MINUS SIGN}"

TITLE_SIZE, BODY_SIZE, SMALL_SIZE = 8.5, 7.5, 6.5

_SETTINGS: Any = MappingProxyType(
    {
        "font.family": ["DejaVu Sans"],
        "font.size": BODY_SIZE,
        "text.color": INK,
        "text.parse_math": False,
        "text.hinting": "no_hinting",
        "axes.titlesize": TITLE_SIZE,
        "axes.titlelocation": "left",
        "axes.labelsize": BODY_SIZE,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.formatter.useoffset": False,
        "axes.axisbelow": True,
        "xtick.labelsize": SMALL_SIZE,
        "ytick.labelsize": SMALL_SIZE,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "legend.fontsize": SMALL_SIZE,
        "legend.frameon": False,
        "lines.linewidth": 1.3,
        "hatch.linewidth": 0.5,
        "image.interpolation": "nearest",
        "image.cmap": SEQUENTIAL,
        "figure.dpi": 100,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "savefig.dpi": DPI,
        "savefig.bbox": None,
        "pdf.fonttype": 42,
        "svg.hashsalt": "scr_lens",
    }
)


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the house style while a figure is built or saved, and restore the caller's settings after.

    `$` and `_` in any text are shown as they are, never parsed as mathematics. Also usable as a decorator.

    Yields:
        Nothing; matplotlib's settings differ inside the block only.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure with constrained layout, outside pyplot.

    Args:
        width: Width in inches.
        height: Height in inches.

    Returns:
        The figure.
    """
    return Figure(figsize=(width, height), layout="constrained")


def finish(figure: Figure) -> Figure:
    """Lay a figure out while the style is active, so that it looks the same wherever it is shown.

    The layout is made once and then taken off: PNG, PDF, notebook and report show the same geometry, and none
    of them pays for it again.

    Args:
        figure: A figure whose artists are all in place.

    Returns:
        The same figure, without a layout engine.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)
    return figure
