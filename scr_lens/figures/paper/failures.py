"""Failure modes: which errors involve small objects, the edge, or look-alikes; which objects are missed."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scr_lens.analysis.conditions import MissingEvidenceError, main_split, require_conditions
from scr_lens.analysis.failures import failure_table, misses_by_size
from scr_lens.analysis.records import of_condition
from scr_lens.evidence import Evidence
from scr_lens.figures.paper.parts import (
    MEASURED,
    PAPER,
    PAPER_COLOR,
    draw_points,
    footnote,
    name_ticks,
    numbers,
    of_source,
    paper_row,
    sizes,
)
from scr_lens.figures.style import MUTED, PAGE_WIDTH, PALETTE, finish, house_style, new_figure
from scr_lens.paper import stated

_PATTERNS = ("small", "edge", "ambiguous")


def collect_failures(evidence: Evidence) -> pd.DataFrame:
    """Share of errors and of questions per failure pattern, and misses by object size, under SCR.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels kind ("errors", "questions", "missed") and label.

    Raises:
        MissingEvidenceError: If the boxes or the condition are missing.
    """
    if evidence.boxes is None:
        raise MissingEvidenceError("needs the boxes of the objects; run `scr-lens report` on the model")
    require_conditions(evidence.answers, "scr")
    rows = of_condition(main_split(evidence.answers), "scr")
    images = rows["image_id"].nunique()
    found = [
        paper_row(kind="errors", label=name, estimate=stated(f"errors_{name}") / 100) for name in _PATTERNS
    ]
    by_pattern = failure_table(rows, evidence.boxes).set_index("pattern")
    for name in _PATTERNS:
        row = by_pattern.loc[name]
        base = {"source": MEASURED, "label": name, "n_images": images}
        ends = {"ci_low": row["share_of_errors_low"], "ci_high": row["share_of_errors_high"]}
        found.append(
            {
                **base,
                "kind": "errors",
                "estimate": row["share_of_errors"],
                **ends,
                "n_questions": row["n_errors"],
            }
        )
        found.append(
            {
                **base,
                "kind": "questions",
                "estimate": row["share_of_questions"],
                "n_questions": len(rows),
            }
        )
    present = rows[rows["label"] == "yes"].reset_index(drop=True)
    for bin_ in misses_by_size(present, evidence.boxes).to_dict("records"):
        label = f"{100 * bin_['area_low']:g}\N{EN DASH}{100 * bin_['area_high']:g}"
        ends = {"ci_low": bin_["miss_rate_low"], "ci_high": bin_["miss_rate_high"]}
        cells = {"source": MEASURED, "kind": "missed", "label": label, "n_images": images}
        found.append({**cells, "estimate": bin_["miss_rate"], **ends, "n_questions": bin_["n_questions"]})
    return numbers(found, ["kind", "label"])


@house_style()
def draw_failures(table: pd.DataFrame) -> Figure:
    """Draw the failure modes.

    Args:
        table: Output of `collect_failures`.

    Returns:
        Left the share of errors per pattern, next to the paper's and to the share of all questions; right
        the miss rate by size.
    """
    figure = new_figure(PAGE_WIDTH, 2.9)
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
    measured = of_source(table, MEASURED)
    place = np.arange(len(_PATTERNS))
    sides = (
        (of_source(table, PAPER), -0.15, PAPER_COLOR, "D", "paper: share of errors"),
        (measured[measured["kind"] == "errors"], 0.0, PALETTE[0], "o", "measured: share of errors"),
        (measured[measured["kind"] == "questions"], 0.15, MUTED, "s", "measured: share of questions"),
    )
    for rows, shift, color, marker, label in sides:
        draw_points(left, rows, place + shift, color=color, marker=marker, label=label)
    name_ticks(left, list(_PATTERNS))
    left.set_ylim(0, 100)
    left.set_ylabel("share (%)")
    left.set_title("errors under SCR; patterns may overlap")
    left.legend(loc="best")
    missed = measured[measured["kind"] == "missed"]
    known = missed.dropna(subset=["estimate"]).reset_index(drop=True)
    draw_points(right, known, range(len(known)))
    name_ticks(
        right,
        [f"{label}\nn = {int(n):,}" for label, n in zip(known["label"], known["n_questions"], strict=True)],
    )
    right.set_ylim(bottom=0)
    right.set_xlabel("area of the object (% of the image)")
    right.set_ylabel("missed objects (%)")
    right.set_title("misses by size")
    footnote(figure, sizes(measured[measured["kind"] == "questions"], "questions"))
    return finish(figure)
