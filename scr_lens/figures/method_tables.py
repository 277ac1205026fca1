"""Tables of the comparison of all methods: POPE by split, captions and cost, next to the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scr_lens.decoding.table import method_table
from scr_lens.figures.paper.tables import PAPER_METHODS, readable
from scr_lens.figures.tables import ordered_splits
from scr_lens.paper import load, stated

_ENDS = ("", "_low", "_high")
_YES_NO = {"hallucination_rate": "HR", "accuracy": "accuracy", "f1": "F1"}
_CAPTIONS = {
    "chair_s": ("CHAIR-s %", 100),
    "chair_i": ("CHAIR-i %", 100),
    "recall": ("recall %", 100),
    "words": ("words", 1),
    "cider": ("CIDEr-D", 1),
}
_DELTA, _NONE, _TO = "\N{GREEK CAPITAL LETTER DELTA}", "\N{EN DASH}", "to"
_HARDEST = "adversarial"


def yes_no_table(found: pd.DataFrame, split: str, order: Sequence[str]) -> pd.DataFrame:
    """Methods on one POPE split.

    Args:
        found: Rows of `yes_no_comparison`.
        split: The split.
        order: Methods in the order of the table.

    Returns:
        Texts: percent and percentage points with 95% intervals; on the adversarial split the paper's changes
        beside the measured ones.
    """
    part = found[found["split"] == split]
    shown = _wide(part, {metric: (f"{name} %", 100) for metric, name in _YES_NO.items()}, order)
    if split != _HARDEST:
        return shown
    return _with_paper(shown, {"HR": "hr", "accuracy": "accuracy"})


def caption_table(found: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Methods on captions.

    Args:
        found: Rows of `caption_comparison`.
        order: Methods in the order of the table.

    Returns:
        Texts, as `yes_no_table`; the paper gives CHAIR for SCR only, and CIDEr for all its methods.
    """
    return _with_paper(
        _wide(found, _CAPTIONS, order), {"CHAIR-s": "chair_s", "CHAIR-i": "chair_i", "CIDEr-D": "cider"}
    )


def cost_table(overhead: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """What methods cost: declared forward passes, measured time over vanilla's, the paper's milliseconds.

    Args:
        overhead: Rows of `overhead_table`.
        order: Methods in the order of the table.

    Returns:
        Texts; ratios are medians of paired ratios with their quartiles.
    """
    declared = {row.name: row.traits for row in method_table()}
    rows = overhead.set_index("method").reindex([name for name in order if name in set(overhead["method"])])
    columns: dict[str, list[str]] = {
        "method": [str(name) for name in rows.index],
        "prefills": [declared[str(name)].prefills for name in rows.index],
        "forwards per token": [declared[str(name)].forwards_per_token for name in rows.index],
    }
    for unit in ("question", "token"):
        columns[f"ms per {unit}"] = [_number(value) for value in rows[f"{unit}_ms"]]
        quartiles = rows[[f"{unit}_ratio{end}" for end in _ENDS]].itertuples(index=False)
        columns[f"per {unit} / vanilla"] = [
            _NONE if np.isnan(middle) else f"{middle:.2f} [{low:.2f}, {high:.2f}]"
            for middle, low, high in quartiles
        ]
    columns["paper, added ms"] = [_range(paper_latency(str(name)), digits=0, sign="") for name in rows.index]
    return pd.DataFrame(columns)


def splits_of(found: pd.DataFrame) -> list[str]:
    """Splits of a comparison, in the order of tables."""
    return ordered_splits(found["split"].tolist())


def paper_changes(method: str, column: str) -> list[float]:
    """Changes against vanilla that the paper prints, model by model.

    Args:
        method: Name of the method here.
        column: "hr", "accuracy", "cider" (tables 1, 2 and 4), "chair_s" or "chair_i" (table 5).

    Returns:
        Method minus vanilla in the paper's units; empty where it prints nothing.
    """
    paper = load()
    if column.startswith("chair"):
        rows = paper.tables[5].query("model != 'Average'")
        return (rows[f"{column}_scr"] - rows[f"{column}_vanilla"]).tolist() if method == "scr" else []
    table = paper.pope_adversarial.set_index(["model", "method"])[column].unstack()
    if method == "one-pass-scr":
        variants = paper.tables[4].set_index(["model", "variant"])
        one = variants[column].unstack()["One-Pass SCR"] if column in variants else pd.Series(dtype=float)
        return (one - table["Vanilla"]).dropna().tolist()
    if method == "gaussian-noise" and column == "hr":
        return [stated("noise_hr") - float(table["Vanilla"]["Chameleon-7B"])]
    name = PAPER_METHODS.get(method)
    return (table[name] - table["Vanilla"]).tolist() if name in table.columns else []


def paper_latency(method: str) -> list[float]:
    """Milliseconds that a method adds, as the paper prints them; it does not always say per what."""
    variants = {"scr": "Two-Pass SCR", "one-pass-scr": "One-Pass SCR"}
    if method in variants:
        rows = load().tables[4]
        return rows.loc[rows["variant"] == variants[method], "latency_ms"].astype(float).tolist()
    names = {"opera": "latency_opera", "vcd": "latency_vcd", "avcd": "latency_oa_vcd"}
    return [stated(names[method])] if method in names else []


def _wide(part: pd.DataFrame, metrics: dict[str, tuple[str, int]], order: Sequence[str]) -> pd.DataFrame:
    """One row per method: each metric, its spread over seeds where there are several, and its change."""
    by_method = {name: rows.set_index("metric") for name, rows in part.groupby("method")}
    held = [name for name in order if name in by_method]
    columns: dict[str, list[str]] = {"method": held}
    for metric, (heading, factor) in metrics.items():
        rows = pd.DataFrame([by_method[name].loc[metric] for name in held])
        cells = {
            f"{kind}{end}": rows[f"{kind}{end}"] * factor
            for kind in ("estimate", "difference")
            for end in _ENDS
        }
        texts = readable(pd.DataFrame(cells), {"estimate": "estimate", "difference": "difference"})
        spread = [
            f" (seeds {factor * low:.1f}\N{EN DASH}{factor * high:.1f})" if several > 1 else ""
            for several, low, high in zip(rows["n_seeds"], rows["seed_low"], rows["seed_high"], strict=True)
        ]
        columns[heading] = [text + more for text, more in zip(texts["estimate"], spread, strict=True)]
        columns[f"{_DELTA}{heading.removesuffix(' %')}"] = texts["difference"].tolist()
    return pd.DataFrame(columns)


def _with_paper(shown: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """The paper's changes to the left of the measured ones."""
    for heading, column in columns.items():
        paper = [_range(paper_changes(name, column)) for name in shown["method"]]
        place = list(shown.columns).index(_DELTA + heading)
        shown.insert(place, f"paper {_DELTA}{heading}", paper)
    return shown


def _range(values: Sequence[float], *, digits: int = 1, sign: str = "+") -> str:
    """Smallest to largest."""
    if not len(values):
        return _NONE
    ends = [
        f"{value:{sign}.{digits}f}".replace("-", "\N{MINUS SIGN}") for value in (min(values), max(values))
    ]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} {_TO} {ends[1]}"


def _number(value: float) -> str:
    return _NONE if np.isnan(value) else f"{value:.1f}"
