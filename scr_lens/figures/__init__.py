"""Figures and tables: records or an inspection in, a matplotlib figure out, nothing else.

Maps that are compared share one *color scale*, which the caller spans over all of them; no map is ever scaled
by itself. Intervals come from `scr_lens.analysis` and treat the image as the sampling unit.
"""

from scr_lens.figures.color_scale import ColorScale
from scr_lens.figures.dots import conditions_figure, dot_figure
from scr_lens.figures.heatmap import add_colorbar, draw_image, draw_map
from scr_lens.figures.inspection import inspection_figure
from scr_lens.figures.outline import draw_neighbors, draw_sources
from scr_lens.figures.provenance import run_origin, write_provenance
from scr_lens.figures.registry import FIGURES, FigureEntry, draw_figure, find_figure
from scr_lens.figures.saving import save
from scr_lens.figures.scatter import entropy_figure
from scr_lens.figures.style import house_style
from scr_lens.figures.table_text import readable_table, to_csv, to_markdown, to_text
from scr_lens.figures.tables import condition_table

__all__ = [
    "FIGURES",
    "ColorScale",
    "FigureEntry",
    "add_colorbar",
    "condition_table",
    "conditions_figure",
    "dot_figure",
    "draw_figure",
    "draw_image",
    "draw_map",
    "draw_neighbors",
    "draw_sources",
    "entropy_figure",
    "find_figure",
    "house_style",
    "inspection_figure",
    "readable_table",
    "run_origin",
    "save",
    "to_csv",
    "to_markdown",
    "to_text",
    "write_provenance",
]
