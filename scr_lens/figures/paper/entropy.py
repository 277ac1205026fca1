"""P1 the paper's way and ours: rates in groups and bins of entropy."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scr_lens.analysis.conditions import main_split, require_conditions
from scr_lens.analysis.predictions.from_baseline import p1_binned
from scr_lens.analysis.records import absent_questions, normalized_entropy, of_condition, said_yes
from scr_lens.analysis.strata import rates_by_stratum
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
)
from scr_lens.figures.style import ALERT, MINUS, PAGE_WIDTH, PALETTE, finish, house_style, new_figure
from scr_lens.paper import stated


def collect_entropy(evidence: Evidence) -> pd.DataFrame:
    """Hallucination rate by entropy: the paper's two groups, our quarters, and about 30 bins.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels kind ("group", "quarter", "bin", "r"), label and entropy (mean H / ln N).

    Raises:
        DataError: If the entropies do not allow bins.
    """
    require_conditions(evidence.answers, "vanilla")
    frame = main_split(evidence.answers)
    rows = absent_questions(of_condition(frame, "vanilla"))
    strata = rates_by_stratum(normalized_entropy(rows), said_yes(rows), rows["image_id"].tolist())
    binned = p1_binned(frame)
    found = [
        paper_row(kind="group", label=text, estimate=stated(name) / 100)
        for text, name in (
            ("H < 4.0\nnats", "p1_hr_below"),
            ("H \N{GREATER-THAN OR EQUAL TO} 4.0\nnats", "p1_hr_above"),
        )
    ]
    measured = {"source": MEASURED}
    for q in strata.to_dict("records"):
        text = f"{q['low_edge']:.3f}\nto {q['high_edge']:.3f}"
        cells = {"kind": "quarter", "label": text, "entropy": q["predictor_mean"]}
        found.append({**measured, **cells, **{str(name): value for name, value in q.items()}})
    for b in binned.bins.to_dict("records"):
        cells = {"kind": "bin", "label": str(int(b["bin"])), "entropy": b["entropy_mean"]}
        found.append({**measured, **cells, "estimate": b["rate"], "n_questions": b["n_questions"]})
    ends = {"estimate": binned.r, "ci_low": binned.low, "ci_high": binned.high}
    found.append({**measured, "kind": "r", "label": f"{binned.n_bins} bins", **ends})
    return numbers(found, ["kind", "label", "entropy"])


@house_style()
def draw_entropy(table: pd.DataFrame) -> Figure:
    """Draw P1.

    Args:
        table: Output of `collect_entropy`.

    Returns:
        The paper's groups, our quarters and our bins on one scale of rates.
    """
    figure = new_figure(PAGE_WIDTH, 2.9)
    left, middle, right = figure.subplots(1, 3, sharey=True, width_ratios=[1, 2, 2.2])
    measured = of_source(table, MEASURED)
    paper, quarters = of_source(table, PAPER), measured[measured["kind"] == "quarter"]
    for axes, rows, color in ((left, paper, PAPER_COLOR), (middle, quarters, PALETTE[0])):
        draw_points(axes, rows, range(len(rows)), color=color)
        name_ticks(axes, rows["label"].tolist())
    bins = measured[measured["kind"] == "bin"]
    right.scatter(bins["entropy"], 100 * bins["estimate"], s=12, color=ALERT)
    r = measured[measured["kind"] == "r"].iloc[0]
    text = f"{r['label']}: r = {r['estimate']:.2f} [{r['ci_low']:.2f}, {r['ci_high']:.2f}]"
    right.set_title(text.replace("-", MINUS))
    right.set_ylim(bottom=0)
    left.set_title("paper: six models")
    middle.set_title("measured: quarters of H / ln N")
    left.set_ylabel("hallucination rate (%)")
    right.set_xlabel("mean H / ln N of a bin")
    questions, n_bin = int(quarters["n_questions"].sum()), int(np.median(bins["n_questions"]))
    footnote(
        figure,
        f"paper: mean r of about 30 bins {MINUS}0.65. Measured: {questions:,} "
        f"questions about absent objects, 95% intervals clustered by image; {n_bin} questions a "
        "bin, whose r says little about single questions",
    )
    return finish(figure)
