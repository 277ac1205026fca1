"""The comparison of all methods as one Markdown file with its numbers beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from scr_lens.analysis.method_comparison import (
    caption_comparison,
    overhead_table,
    seed_groups,
    yes_no_comparison,
)
from scr_lens.errors import DataError
from scr_lens.evidence import Evidence
from scr_lens.figures.method_tables import caption_table, cost_table, splits_of, yes_no_table
from scr_lens.figures.paper import find_entry, write_entries
from scr_lens.figures.saving import write_figure_file
from scr_lens.figures.table_text import frame_to_markdown, to_csv

PAPER_TABLES = ("table-1", "table-2", "table-4", "table-5")
"""Tables of the paper that compare methods."""

_HOW = """\
Brackets hold 95% intervals with the picture as the sampling unit; changes are paired, on the same questions
or pictures as vanilla. Methods that draw were run under several seeds: the estimate is their mean (of F1 and
CHAIR-i the value of all rows together), the smallest and the largest seed stand in parentheses. "paper" is
the smallest and the largest of the paper's changes over its models; its models, pictures and questions are
others. An interval that holds 0 shows no difference; where not one picture changed, it says how large a
change that many pictures can miss.
"""
_CAPTION_NOTE = """\
The paper announces CHAIR of every baseline for its Appendix B, which is not in the text at hand: only SCR has
numbers to compare with. CHAIR falls when captions grow shorter: read it beside recall and words.
"""
_COST_NOTE = """\
Every method answered alone, one question or one caption at a time, from prepared inputs to the last token,
nothing shared and nothing reused; the best of three rounds counts, methods took turns. Ratios are medians of
the paired ratios with their quartiles. A token's time is that of the caption over its tokens, the prompt
included. On a small model the fixed cost of each call weighs more than on a large one. The paper's
milliseconds are of an A100; for OPERA, VCD and OA-VCD it does not say per what.
"""


def write_method_report(
    evidence: Evidence,
    times: pd.DataFrame,
    folder: str | Path,
    *,
    order: Sequence[str],
    left_out: Mapping[str, str],
    note: str = "",
) -> Path:
    """Write `comparison.md`, its tables as CSV, and the paper's tables with the measured rows.

    Args:
        evidence: A comparison's answers and captions.
        times: Times of every method, see `overhead_table`.
        folder: Target folder.
        order: Methods in the order of tables.
        left_out: Why methods are missing, by name.
        note: What a reader has to know about the model.

    Returns:
        The Markdown file.

    Raises:
        DataError: If vanilla or the captions are missing.
    """
    if evidence.captions is None:
        raise DataError("the comparison has no captions; run `scr-lens compare` on the model again")
    yes_no = yes_no_comparison(evidence.answers)
    captions = caption_comparison(evidence.captions, seed_groups(evidence.answers))
    overhead = overhead_table(times)
    parts = [_head(evidence, yes_no, captions, left_out, note)]
    for split in splits_of(yes_no):
        parts += [f"## POPE, {split}", frame_to_markdown(yes_no_table(yes_no, split, order))]
    parts += ["## Captions", _CAPTION_NOTE + "\n" + frame_to_markdown(caption_table(captions, order))]
    parts += ["## Cost", _COST_NOTE + "\n" + frame_to_markdown(cost_table(overhead, order))]
    parts += ["## The paper's tables, with the measured rows", *_paper_tables(evidence, Path(folder))]
    for name, table in (("pope", yes_no), ("captions", captions), ("cost", overhead)):
        write_figure_file(folder, f"comparison-{name}.csv", to_csv(table).encode())
    text = "\n\n".join(part.strip() for part in parts) + "\n"
    return write_figure_file(folder, "comparison.md", text.encode())


def _head(
    evidence: Evidence,
    yes_no: pd.DataFrame,
    captions: pd.DataFrame,
    left_out: Mapping[str, str],
    note: str,
) -> str:
    revision = str(evidence.answers["model_revision"].iloc[0])[:8]
    sizes = (
        f"{int(yes_no['n_images'].max())} pictures with POPE questions, "
        f"{int(captions['n_images'].max())} with captions"
    )
    missing = [f"- {name}: {reason}" for name, reason in sorted(left_out.items())]
    lines = [f"# All methods on {evidence.name}", f"Revision {revision}; {sizes}.", note, _HOW]
    if missing:
        lines += ["Not in the comparison:\n\n" + "\n".join(missing)]
    return "\n\n".join(line.strip() for line in lines if line)


def _paper_tables(evidence: Evidence, folder: Path) -> list[str]:
    """The text of every table that can be made, and what the others lack."""
    outcomes = write_entries([find_entry(name) for name in PAPER_TABLES], evidence, folder)
    return [
        next(file.read_text(encoding="utf-8") for file in outcome.files if file.suffix == ".md")
        if outcome.files
        else f"{outcome.description} Not drawn: {outcome.missing}"
        for outcome in outcomes
    ]
