"""The paper's figures and tables, drawn from evidence next to the paper's own numbers.

Every entry first collects its numbers into one table (the CSV file), then draws from that table alone.
"""

from scr_lens.figures.paper.registry import (
    PAPER_FIGURES,
    PAPER_TABLES,
    PaperFigure,
    PaperTable,
    find_entry,
)
from scr_lens.figures.paper.writing import Outcome, write_entries

__all__ = [
    "PAPER_FIGURES",
    "PAPER_TABLES",
    "Outcome",
    "PaperFigure",
    "PaperTable",
    "find_entry",
    "write_entries",
]
