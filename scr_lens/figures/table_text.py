"""A condition table as Markdown, as text for a terminal and as CSV."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scr_lens.figures.style import MINUS
from scr_lens.figures.tables import BASELINE, DIFFERENCE, ENDS, METRICS

_HEADINGS = {
    "hallucination_rate": "HR",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "yes_ratio": "yes-ratio",
}
_WITHOUT_INTERVAL = ("accuracy", "precision", "recall", "f1", "yes_ratio")
_BLOCK_COLUMNS = ("split", "images", "questions", "condition")
NAMING = ("", "split", "condition", "model", "method", "variant", "timing")
"""Headings of columns that name things, which are set to the left; the others are numbers."""

_EXPLANATION = "Percent; in brackets 95% intervals that treat the image as the sampling unit."
_DELTA, _NONE = "\N{GREEK CAPITAL LETTER DELTA}", "\N{EN DASH}"


def readable_table(table: pd.DataFrame) -> pd.DataFrame:
    """Turn the numbers of a condition table into cells to read.

    Args:
        table: As returned by `condition_table`.

    Returns:
        Texts only: percent with one decimal and the interval in brackets, such as "9.3 [7.1, 12.0]"; the
        change of HR in percentage points with its sign; "same answers" where the change is 0 in every image,
        which has no interval; an en dash where a value is undefined.
    """
    cells: dict[str, list[str]] = {
        "split": [str(name) for name in table["split"]],
        "condition": [str(name) for name in table["condition"]],
        "images": [str(int(n)) for n in table["n_images"]],
        "questions": [str(int(n)) for n in table["n_questions"]],
    }
    for metric in METRICS:
        cells[f"{_HEADINGS[metric]} %"] = _column(table, metric, signed=False)
    baseline = table.attrs.get("baseline", BASELINE)
    cells[f"{_DELTA}HR to {baseline}, pp"] = _column(table, DIFFERENCE, signed=True)
    return pd.DataFrame(cells)


def to_markdown(table: pd.DataFrame) -> str:
    """Write a condition table as a Markdown table.

    Args:
        table: As returned by `condition_table`.

    Returns:
        Lines ending in a line break; numbers are aligned right, and bars in names are escaped.
    """
    return frame_to_markdown(readable_table(table))


def frame_to_markdown(shown: pd.DataFrame) -> str:
    """Write a table of texts as a Markdown table.

    Args:
        shown: Texts only.

    Returns:
        Lines ending in a line break; columns that name things are aligned left, the others right, and bars in
        cells are escaped.
    """
    header = [*map(str, shown.columns)]
    rule = ["---" if name in NAMING else "---:" for name in header]
    rows = [header, rule, *shown.to_numpy().tolist()]
    return "".join("| " + " | ".join(_escaped(cell) for cell in row) + " |\n" for row in rows)


def to_text(table: pd.DataFrame) -> str:
    """Write a condition table for a terminal of 100 columns.

    Args:
        table: As returned by `condition_table`.

    Returns:
        A block of aligned columns per split, under one heading line, and a line that explains the brackets.
        Only the hallucination rate and its change show their interval; Markdown and CSV show all.
    """
    shown = readable_table(table)
    for metric in _WITHOUT_INTERVAL:
        heading = f"{_HEADINGS[metric]} %"
        shown[heading] = shown[heading].str.partition(" ")[0]
    shown.columns = [name.removesuffix(" %").removesuffix(", pp") for name in shown.columns]
    columns = ["condition", *(name for name in shown.columns if name not in _BLOCK_COLUMNS)]
    rows = shown[columns].to_numpy().tolist()
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines, previous = [_aligned(columns, widths)], ("", "", "")
    for row, block in zip(rows, shown[list(_BLOCK_COLUMNS[:3])].itertuples(index=False), strict=True):
        if tuple(block) != previous:
            lines += ["", f"{block.split} ({block.images} images, {block.questions} questions)"]
        lines.append(_aligned(row, widths))
        previous = tuple(block)
    lines += ["", _EXPLANATION]
    return "".join(line.rstrip() + "\n" for line in lines)


def to_csv(table: pd.DataFrame) -> str:
    """Write any table as CSV, the same bytes for the same numbers.

    Args:
        table: Any table; `condition_table` keeps its numbers in [0, 1].

    Returns:
        Lines ending in a line break, numbers with 10 significant digits, empty cells for NaN.
    """
    return str(table.to_csv(index=False, float_format="%.10g", lineterminator="\n"))


def _column(table: pd.DataFrame, name: str, *, signed: bool) -> list[str]:
    ends = table[[name + end for end in ENDS]].to_numpy(dtype=np.float64)
    return [_cell(*row, signed=signed) for row in ends]


def _cell(estimate: float, low: float, high: float, *, signed: bool) -> str:
    if np.isnan(estimate):
        return _NONE
    if signed and low == high == 0:
        return "same answers"
    value, bottom, top = (_percent(part, signed=signed) for part in (estimate, low, high))
    return f"{value} [{bottom}, {top}]"


def _percent(share: float, *, signed: bool) -> str:
    shown = f"{100 * share:+.1f}" if signed else f"{100 * share:.1f}"
    return "0.0" if shown in ("+0.0", "-0.0") else shown.replace("-", MINUS)


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The name to the left, numbers to the right."""
    padded = [
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded)
