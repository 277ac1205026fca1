"""Table 4 and the cost table: what methods add to the time of a question, from a comparison side by side.

The wall times that a run stores with its answers are no measure of cost: its conditions share work with each
other, and the machine with whatever else it does. `scr-lens compare` times every method alone.
"""

from typing import Any

import numpy as np
import pandas as pd

from scr_lens.analysis.conditions import condition_names, main_split, require_conditions
from scr_lens.analysis.hallucination import metric_interval
from scr_lens.analysis.method_comparison import overhead_table
from scr_lens.analysis.records import of_condition
from scr_lens.evidence import Evidence
from scr_lens.figures.paper.parts import MEASURED, PAPER
from scr_lens.figures.paper.tables import PAPER_METHODS, ends, ordered
from scr_lens.figures.tables import ordered_conditions
from scr_lens.paper import table as paper_table

BASELINE = "vanilla"

_PAPER_TIMING = "the paper's, on an A100"


def collect_variants(evidence: Evidence) -> pd.DataFrame:
    """Table 4: two-pass and One-Pass SCR, with the time that each adds to a question.

    Args:
        evidence: What is stored.

    Returns:
        The paper's rows, then one measured row per variant that was run; latency_ms is NaN and timing names
        the command that measures it where the folder holds no times of a comparison.

    Raises:
        DataError: If SCR was not run.
    """
    require_conditions(evidence.answers, "scr")
    frame, rows = main_split(evidence.answers), []
    for name, variant in (("scr", "Two-Pass SCR"), ("one-pass-scr", "One-Pass SCR")):
        if name not in condition_names(evidence.answers):
            continue
        part = of_condition(frame, name)
        row: dict[str, Any] = {"source": MEASURED, "model": evidence.name, "variant": variant}
        row |= ends("hr", metric_interval(part, "hallucination_rate"))
        row |= ends("accuracy", metric_interval(part, "accuracy"))
        timed = timing(evidence, name)
        row |= {"latency_ms": timed["added_ms"], "timing": timed["timing"]}
        rows.append(row | {"n_images": part["image_id"].nunique(), "n_questions": len(part)})
    paper = paper_table(4).assign(source=PAPER, timing=_PAPER_TIMING)
    return ordered([*paper.to_dict("records"), *rows], ["model", "variant"], ["hr", "accuracy", "latency_ms"])


def collect_cost(evidence: Evidence) -> pd.DataFrame:
    """Cost: what every method adds to the time of a question.

    Args:
        evidence: What is stored.

    Returns:
        The paper's added latencies, then per method the median time of a question answered alone, what that
        is more than vanilla's on the same question, and its ratio to it with quartiles; NaN where nothing
        was timed.

    Raises:
        DataError: If vanilla was not run.
    """
    require_conditions(evidence.answers, BASELINE)
    paper = paper_table(4).rename(columns={"latency_ms": "added_ms", "variant": "method"})
    paper = paper[["model", "method", "added_ms"]].assign(source=PAPER, timing=_PAPER_TIMING)
    rows = [
        {"source": MEASURED, "model": evidence.name, "method": PAPER_METHODS.get(name, name)}
        | timing(evidence, name)
        for name in ordered_conditions(condition_names(evidence.answers))
        if name in PAPER_METHODS or name in _timed_conditions(evidence)
    ]
    return ordered([*paper.to_dict("records"), *rows], ["model", "method"], ["added_ms", "alone_ms", "ratio"])


def timing(evidence: Evidence, name: str) -> dict[str, Any]:
    """Cells with the time of a method per question.

    added = median over questions of (time of the method - time of vanilla on the same question)

    Args:
        evidence: What is stored.
        name: Condition.

    Returns:
        added_ms (NaN for vanilla), alone_ms, ratio with the quartiles ratio_low and ratio_high, n_questions
        timed, and timing, which says in words where they come from; numbers are NaN where fewer than 2
        questions were timed under both the method and vanilla.
    """
    if {name, BASELINE} <= _timed_conditions(evidence) and evidence.times is not None:
        found = overhead_table(evidence.times).set_index("method").to_dict("index")[name]
        if np.isfinite(found["question_ms"]):
            cells = {f"ratio{end}": float(found[f"question_ratio{end}"]) for end in ("", "_low", "_high")}
            return {
                "added_ms": np.nan if name == BASELINE else _added(evidence.times, name),
                "alone_ms": float(found["question_ms"]),
                **cells,
                "n_questions": int(found["n_questions"]),
                "timing": f"`scr-lens compare`, each method alone, {int(found['n_questions'])} questions",
            }
    note = f"not measured here; `scr-lens compare {evidence.name}` times every method alone"
    return {"added_ms": np.nan, "alone_ms": np.nan, "ratio": np.nan, "timing": note}


def _timed_conditions(evidence: Evidence) -> set[str]:
    return set() if evidence.times is None else set(evidence.times["condition"])


def _added(times: pd.DataFrame, name: str) -> float:
    asked = times[times["task"] == "question"]
    table = asked.pivot_table(index="item", columns="condition", values="ms")
    return float((table[name] - table[BASELINE]).median())
