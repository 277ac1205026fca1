"""P4: the gain against lambda, with the two lines of the test."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scr_lens.analysis.conditions import common_questions, lambda_conditions, main_split
from scr_lens.analysis.means import mean_interval
from scr_lens.analysis.predictions.from_pairs import lambda_gains
from scr_lens.analysis.two_lines import two_lines
from scr_lens.analysis.unchanged import widened
from scr_lens.evidence import Evidence
from scr_lens.figures.paper.parts import (
    MEASURED,
    PAPER,
    PAPER_COLOR,
    draw_points,
    footnote,
    measured_row,
    numbers,
    of_source,
    paper_row,
    sizes,
    zero_line,
)
from scr_lens.figures.style import ALERT, MUTED, finish, house_style, new_figure
from scr_lens.paper import stated


def collect_strength(evidence: Evidence) -> pd.DataFrame:
    """Reduction of the hallucination rate at every lambda, and the two lines.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels kind ("gain", "line 1", "line 2": two end points each) and lambda.

    Raises:
        MissingEvidenceError: If fewer than four strengths above 1 were run.
    """
    found = lambda_conditions(evidence.every_condition)
    frame = common_questions(main_split(evidence.every_condition), ["vanilla", *found.values()])
    levels, gains, images = lambda_gains(frame, found)
    low, high = stated("hr_reduction_low") / 100, stated("hr_reduction_high") / 100
    cells = {"kind": "gain", "lambda": stated("lambda")}
    rows = [paper_row(**cells, estimate=(low + high) / 2, ci_low=low, ci_high=high)]
    for level, column in zip(levels, gains.T, strict=True):
        mean = mean_interval(column, images)
        shown = mean if level == 1 else widened(mean)  # lambda = 1 changes nothing by definition
        rows.append(measured_row(shown, len(images), kind="gain", **{"lambda": level}))
    lines = two_lines(levels, gains, images)
    means = gains.mean(axis=0)
    for name, slope, ends in (
        ("line 1", lines.before.slope, (levels[0], lines.breakpoint)),
        ("line 2", lines.after.slope, (lines.breakpoint, levels[-1])),
    ):
        inside = [k for k, level in enumerate(levels) if ends[0] - 1e-12 <= level <= ends[1] + 1e-12]
        center, height = np.mean([levels[k] for k in inside]), means[inside].mean()
        for end in ends:
            estimate = float(height + slope * (end - center))
            rows.append({"source": MEASURED, "kind": name, "lambda": end, "estimate": estimate})
    return numbers(rows, ["kind", "lambda"])


@house_style()
def draw_strength(table: pd.DataFrame) -> Figure:
    """Draw P4.

    Args:
        table: Output of `collect_strength`.

    Returns:
        Gain against lambda with intervals, the two lines, and the paper's range at its lambda.
    """
    figure = new_figure(6.2, 3.1)
    axes = figure.subplots()
    zero_line(axes)
    measured = of_source(table, MEASURED)
    points = measured[measured["kind"] == "gain"]
    draw_points(
        axes,
        of_source(table, PAPER),
        of_source(table, PAPER)["lambda"],
        color=PAPER_COLOR,
        marker="D",
        label="paper: range of six models",
    )
    draw_points(axes, points, points["lambda"], label="measured")
    for name, style in (("line 1", "-"), ("line 2", "--")):
        line = measured[measured["kind"] == name]
        axes.plot(
            line["lambda"],
            100 * line["estimate"],
            color=ALERT,
            linestyle=style,
            linewidth=1.1,
            label=f"two-lines test: {name}",
        )
    meeting = measured.loc[measured["kind"] == "line 2", "lambda"].iloc[0]
    axes.axvline(meeting, color=MUTED, linewidth=0.7, linestyle=":")
    axes.set_xlabel("strength \N{GREEK SMALL LETTER LAMDA} (1: identity; dotted: breakpoint)")
    axes.set_ylabel("reduction of hallucination rate (pp)")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    footnote(figure, sizes(points))
    return finish(figure)
