"""Figure 4 and the settings: topology, noise, heads, and every condition against the untouched model."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scr_lens.analysis.conditions import (
    REFERENCE,
    MissingEvidenceError,
    common_questions,
    condition_names,
    main_split,
    require_conditions,
    variants,
)
from scr_lens.analysis.hallucination import metric_interval
from scr_lens.analysis.rate_reduction import rate_reduction
from scr_lens.analysis.records import absent_questions, of_condition, pair_conditions
from scr_lens.evidence import Evidence
from scr_lens.figures.paper.parts import (
    MARKERS,
    MEASURED,
    METHOD_NAMES,
    PAPER,
    PAPER_COLOR,
    draw_points,
    footnote,
    measured_row,
    name_ticks,
    numbers,
    of_source,
    paper_row,
    side_by_side,
    sizes,
    zero_line,
)
from scr_lens.figures.style import MUTED, PALETTE, finish, house_style, new_figure
from scr_lens.figures.text import printable
from scr_lens.paper import stated, value

_EIGHT, _FOUR, _RADIUS = "8", "4", "radius 2"
_TOPOLOGIES = {_FOUR: "4", _RADIUS: "radius-2", "scrambled": "scrambled"}
_PAPER_MODEL = "Chameleon-7B"


def _rates(frame: pd.DataFrame, names: Mapping[str, str]) -> list[dict[str, object]]:
    rows = []
    for label, condition in names.items():
        part = of_condition(frame, condition)
        found = metric_interval(part, "hallucination_rate")
        rows.append(measured_row(found, len(absent_questions(part)), label=label, condition=condition))
    return rows


def collect_topology(evidence: Evidence) -> pd.DataFrame:
    """Hallucination rate by topology on the same questions.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels label and condition; rates in [0, 1].

    Raises:
        MissingEvidenceError: If no other topology was run.
    """
    found = variants(evidence.every_condition, "topology")
    if len(found) < 2:
        raise MissingEvidenceError("needs SCR with other topologies (4, radius-2, scrambled); only 8 was run")
    names = {"vanilla": "vanilla", _EIGHT: REFERENCE}
    names |= {label: found[key] for label, key in _TOPOLOGIES.items() if key in found}
    if "scrambled" in condition_names(evidence.every_condition):
        names["scrambled"] = "scrambled"
    shared = common_questions(main_split(evidence.every_condition), names.values())
    vanilla = value(1, "hr", model=_PAPER_MODEL, method="Vanilla")
    paper = {"vanilla": vanilla, _EIGHT: stated("hr_topology_8"), _FOUR: stated("hr_topology_4")}
    paper[_RADIUS] = stated("hr_topology_radius_2")
    rows = [paper_row(label=label, condition="", estimate=hr / 100) for label, hr in paper.items()]
    return numbers([*rows, *_rates(shared, names)], ["label", "condition"])


@house_style()
def draw_topology(table: pd.DataFrame) -> Figure:
    """Draw Figure 4a.

    Args:
        table: Output of `collect_topology`.

    Returns:
        Rates by topology, the paper's and ours on one scale.
    """
    figure = _two_sides(table, "hallucination rate (%)")
    for axes in figure.axes:
        axes.set_xlabel("neighborhood of a source")
    return finish(figure)


def collect_noise(evidence: Evidence) -> pd.DataFrame:
    """Hallucination rate and attention entropy under SCR, noise and other controls.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels label, condition and entropy_nats (mean; NaN where the paper gives none).

    Raises:
        MissingEvidenceError: If the noise control was not run.
    """
    require_conditions(evidence.every_condition, "vanilla", REFERENCE, "gaussian-noise")
    held = condition_names(evidence.every_condition)
    names = {METHOD_NAMES[name]: name for name in METHOD_NAMES if name in held and name != "identity"}
    shared = common_questions(main_split(evidence.every_condition), names.values())
    rows = _rates(shared, names)
    for row in rows:
        part = of_condition(shared, str(row["condition"]))
        row["entropy_nats"] = float(part["entropy_attention_nats"].mean())
    vanilla = value(1, "hr", model=_PAPER_MODEL, method="Vanilla")
    paper = (
        ("vanilla", vanilla, np.nan),
        ("SCR", stated("hr_topology_8"), np.nan),
        ("Gaussian noise", stated("noise_hr"), stated("noise_entropy_nats")),
    )
    stated_rows = [
        paper_row(label=label, condition="", entropy_nats=nats, estimate=hr / 100)
        for label, hr, nats in paper
    ]
    return numbers([*stated_rows, *rows], ["label", "condition", "entropy_nats"])


@house_style()
def draw_noise(table: pd.DataFrame) -> Figure:
    """Draw Figure 4b.

    Args:
        table: Output of `collect_noise`.

    Returns:
        Left the paper's rates; right our rates against the mean entropy of the attention map.
    """
    figure, left, right = side_by_side(7.0, 3.0, (1, 1.4))
    paper = of_source(table, PAPER)
    draw_points(left, paper, range(len(paper)), color=PAPER_COLOR)
    known = paper["entropy_nats"].notna()
    names = [
        f"{a}\n({b:g} nats)" if k else a
        for a, b, k in zip(paper["label"], paper["entropy_nats"], known, strict=True)
    ]
    name_ticks(left, names)
    left.set_xlabel(_PAPER_MODEL)
    left.set_ylabel("hallucination rate (%)")
    rows = of_source(table, MEASURED)
    for number, label in enumerate(rows["label"]):
        color = MUTED if label == "vanilla" else PALETTE[(number - 1) % len(PALETTE)]
        part = rows.iloc[[number]]
        draw_points(right, part, part["entropy_nats"], color=color, marker=MARKERS[number % 8], label=label)
    right.set_xlabel("mean entropy of the attention map (nats)")
    right.margins(x=0.12, y=0.12)
    right.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    footnote(figure, sizes(rows))
    return finish(figure)


def collect_heads(evidence: Evidence) -> pd.DataFrame:
    """Reduction of the hallucination rate by the share of heads that guide the selection.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels label and condition; reductions in [-1, 1].

    Raises:
        MissingEvidenceError: If only one share was run.
    """
    found = variants(evidence.every_condition, "diagnostic.head_share")
    if len(found) < 2:
        raise MissingEvidenceError("needs SCR with a share of the heads (20%); only all heads were run")
    shared = common_questions(main_split(evidence.every_condition), ["vanilla", *found.values()])
    whole = stated("hr_reduction_high") / 100
    kept = stated("head_share_benefit") / 100
    rows = [
        paper_row(label="100%", condition="", estimate=whole),
        paper_row(label=f"{stated('head_share'):g}%", condition="", estimate=kept * whole),
    ]
    for share, name in sorted(found.items(), reverse=True):
        rows.append(_gain_row(shared, name, label=f"{100 * float(share):g}%"))
    return numbers(rows, ["label", "condition"])


@house_style()
def draw_heads(table: pd.DataFrame) -> Figure:
    """Draw Figure 4c.

    Args:
        table: Output of `collect_heads`.

    Returns:
        Reductions by share of heads, the paper's and ours on one scale.
    """
    figure = _two_sides(table, "reduction of hallucination rate (pp)", zero=True, ratio=(1, 1))
    for axes in figure.axes:
        axes.set_xlabel("share of heads that guide the selection")
    return finish(figure)


def collect_conditions(evidence: Evidence) -> pd.DataFrame:
    """Paired reduction of the hallucination rate by every condition, on one set of questions.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels label and condition, largest reduction first.

    Raises:
        MissingEvidenceError: If there is no condition besides vanilla.
    """
    require_conditions(evidence.every_condition, "vanilla")
    names = [name for name in condition_names(evidence.every_condition) if name != "vanilla"]
    if not names:
        raise MissingEvidenceError("needs conditions besides vanilla; the run holds vanilla only")
    shared = common_questions(main_split(evidence.every_condition), ["vanilla", *names])
    rows = [_gain_row(shared, name, label=name) for name in names]
    rows.sort(key=lambda row: (-float(str(row["estimate"])), str(row["label"])))
    low, high = stated("hr_reduction_low") / 100, stated("hr_reduction_high") / 100
    paper = paper_row(
        label="SCR (six models)", condition="", estimate=(low + high) / 2, ci_low=low, ci_high=high
    )
    return numbers([paper, *rows], ["label", "condition"])


@house_style()
def draw_conditions(table: pd.DataFrame) -> Figure:
    """Draw every condition against the untouched model.

    Args:
        table: Output of `collect_conditions`.

    Returns:
        One dot and interval per condition; the paper's range above.
    """
    figure = new_figure(5.4, 1.1 + 0.19 * len(table))
    axes = figure.subplots()
    zero_line(axes, vertical=False)
    for source, color, marker in ((PAPER, PAPER_COLOR, "D"), (MEASURED, PALETTE[0], "o")):
        rows = table[table["source"] == source]
        draw_points(
            axes, rows, rows.index.to_numpy(), color=color, marker=marker, label=source, vertical=False
        )
    name_ticks(axes, [printable(str(name)) for name in table["label"]], vertical=False)
    axes.set_xlabel("reduction of hallucination rate against vanilla (pp, paired)")
    axes.legend(loc="best")
    footnote(
        figure,
        "right of 0: fewer hallucinations. Paper: range of six models. Measured: "
        + sizes(of_source(table, MEASURED)),
    )
    return finish(figure)


def _gain_row(shared: pd.DataFrame, name: str, label: str) -> dict[str, object]:
    rows = pair_conditions(shared, "vanilla", name)
    return measured_row(rate_reduction(rows, name), len(absent_questions(rows)), label=label, condition=name)


def _two_sides(
    table: pd.DataFrame, label: str, *, zero: bool = False, ratio: tuple[float, float] = (1, 1.3)
) -> Figure:
    figure, left, right = side_by_side(5.8, 2.9, ratio)
    for axes, source, color in ((left, PAPER, PAPER_COLOR), (right, MEASURED, PALETTE[0])):
        rows = of_source(table, source)
        if zero:
            zero_line(axes)
        draw_points(axes, rows, range(len(rows)), color=color)
        name_ticks(axes, rows["label"].tolist())
    left.set_ylabel(label)
    left.margins(y=0.12)
    footnote(figure, sizes(of_source(table, MEASURED)))
    return figure
