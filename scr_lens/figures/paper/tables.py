"""Tables 1 to 3, 5 and 6: the paper's rows, then ours under the same headings; `cost` has the others.

Numbers are in the paper's units: percent, percentage points, CIDEr x 100.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scr_lens.analysis.conditions import condition_names, main_split, require_conditions
from scr_lens.analysis.hallucination import metric_interval
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.means import mean_interval, ratio_interval
from scr_lens.analysis.predictions.from_baseline import p1, p1_binned
from scr_lens.analysis.rate_reduction import rate_reduction
from scr_lens.analysis.records import of_condition, of_split, pair_conditions, split_names
from scr_lens.errors import DataError
from scr_lens.evidence import Evidence
from scr_lens.figures.paper.parts import MEASURED, METHOD_NAMES, PAPER
from scr_lens.figures.tables import ordered_conditions
from scr_lens.paper import table as paper_table

PAPER_METHODS = {
    **{name.lower(): name for name in ("OPERA", "VCD", "VLI", "CRoPS", "SID")},
    "avcd": "OA-VCD",
    **METHOD_NAMES,
}
"""Names of methods in the paper's tables, by their names here."""

_SPLITS = ("random", "popular", "adversarial")


def ends(name: str, found: Interval | None, factor: float = 100) -> dict[str, float]:
    """Three cells of a numeric table: the estimate and both ends.

    Args:
        name: Name of the quantity.
        found: Its interval; None gives NaN.
        factor: Conversion to the table's unit.

    Returns:
        `name`, `name_low`, `name_high`.
    """
    values = (np.nan,) * 3 if found is None else (found.estimate, found.low, found.high)
    return {name + end: factor * value for end, value in zip(("", "_low", "_high"), values, strict=True)}


def collect_main(evidence: Evidence, number: int) -> pd.DataFrame:
    """Table 1 or 2: hallucination rate, accuracy and CIDEr on the adversarial split, method by method.

    Args:
        evidence: What is stored.
        number: 1 or 2.

    Returns:
        The paper's rows, then one measured row per method that was run.

    Raises:
        DataError: If vanilla was not run.
    """
    require_conditions(evidence.answers, "vanilla")
    paper = paper_table(number).drop(columns=["hr_pm", "accuracy_pm", "cider_pm"]).assign(source=PAPER)
    held = [name for name in ordered_conditions(condition_names(evidence.answers)) if name in PAPER_METHODS]
    rows = [_main_row(evidence, name) for name in held]
    columns = ["hr", "accuracy", "cider", "hr_reduction"]
    return ordered([*paper.to_dict("records"), *rows], ["model", "method"], columns)


def _main_row(evidence: Evidence, name: str) -> dict[str, Any]:
    frame = main_split(evidence.answers)
    part = of_condition(frame, name)
    row: dict[str, Any] = {"source": MEASURED, "model": evidence.name, "method": PAPER_METHODS[name]}
    row |= ends("hr", metric_interval(part, "hallucination_rate"))
    row |= ends("accuracy", metric_interval(part, "accuracy"))
    row |= {"n_images": part["image_id"].nunique(), "n_questions": len(part)}
    if evidence.captions is not None and name in set(evidence.captions["condition"]):
        captions = evidence.captions[evidence.captions["condition"] == name]
        row |= ends("cider", mean_interval(captions["cider"].to_numpy(), captions["image_id"].tolist()), 1)
    if name != "vanilla":
        row |= ends("hr_reduction", _reduction(pair_conditions(frame, "vanilla", name), name))
    return row


def collect_splits(evidence: Evidence) -> pd.DataFrame:
    """Table 3: hallucination rate before and after SCR on every split.

    Args:
        evidence: What is stored.

    Returns:
        The paper's rows, then one measured row per split.

    Raises:
        DataError: If conditions or splits are missing.
    """
    require_conditions(evidence.answers, "vanilla", "scr")
    held = [split for split in _SPLITS if split in split_names(evidence.answers)]
    if not held:
        raise DataError(f"needs the splits {', '.join(_SPLITS)}; the run has none of them")
    paper = paper_table(3).assign(source=PAPER)
    paper["hr_reduction"] = paper["hr_vanilla"] - paper["hr_scr"]
    rows = []
    for split in held:
        frame = of_split(evidence.answers, split)
        row: dict[str, Any] = {"source": MEASURED, "model": evidence.name, "split": split}
        for name in ("vanilla", "scr"):
            row |= ends(f"hr_{name}", metric_interval(of_condition(frame, name), "hallucination_rate"))
        paired = pair_conditions(frame, "vanilla", "scr")
        row |= ends("hr_reduction", _reduction(paired, "scr"))
        rows.append(row | {"n_images": paired["image_id"].nunique(), "n_questions": len(paired)})
    return ordered(
        [*paper.to_dict("records"), *rows], ["model", "split"], ["hr_vanilla", "hr_scr", "hr_reduction"]
    )


def collect_chair(evidence: Evidence) -> pd.DataFrame:
    """Table 5: CHAIR of captions before and after SCR.

    Args:
        evidence: What is stored.

    Returns:
        The paper's rows, then the measured one.

    Raises:
        DataError: If there are no captions under vanilla and scr.
    """
    table = evidence.captions
    if table is None or not {"vanilla", "scr"} <= set(table["condition"]):
        raise DataError("needs captions under vanilla and scr; run `scr-lens report` on the model")
    row: dict[str, Any] = {"source": MEASURED, "model": evidence.name}
    for name in ("vanilla", "scr"):
        part = table[table["condition"] == name]
        images = part["image_id"].tolist()
        hit = (part["n_hallucinated"] > 0).to_numpy(dtype=np.float64)
        row |= ends(f"chair_s_{name}", mean_interval(hit, images))
        row |= ends(
            f"chair_i_{name}",
            ratio_interval(part["n_hallucinated"].to_numpy(), part["n_mentions"].to_numpy(), images),
        )
        row |= {"n_images": part["image_id"].nunique(), "n_questions": len(part)}
    columns = ["chair_s_vanilla", "chair_s_scr", "chair_i_vanilla", "chair_i_scr"]
    return ordered([*paper_table(5).assign(source=PAPER).to_dict("records"), row], ["model"], columns)


def collect_correlations(evidence: Evidence) -> pd.DataFrame:
    """Table 6: correlation of entropy with hallucination, per question and over bins.

    Args:
        evidence: What is stored.

    Returns:
        The paper's rows, then two measured ones; p-values of the bins take them as independent points, as
        the paper's do.

    Raises:
        DataError: If the records do not allow a correlation.
    """
    frame = main_split(evidence.answers)
    single, binned = p1(frame), p1_binned(frame)
    counts = {"source": MEASURED, "n_images": single.n_images, "n_questions": single.n_questions}
    ours = [
        {
            "model": f"{evidence.name}, per question",
            "pearson_r": single.estimate,
            "pearson_r_low": single.ci_low,
            "pearson_r_high": single.ci_high,
            "p_value": single.p_value,
        },
        {
            "model": f"{evidence.name}, {binned.n_bins} bins",
            "pearson_r": binned.r,
            "pearson_r_low": binned.low,
            "pearson_r_high": binned.high,
            "p_value": binned.p_naive,
        },
    ]
    paper = paper_table(6).assign(source=PAPER).to_dict("records")
    return ordered([*paper, *(row | counts for row in ours)], ["model"], ["pearson_r", "p_value"])


def readable(table: pd.DataFrame, headings: Mapping[str, str]) -> pd.DataFrame:
    """Turn a numeric table into cells to read.

    Args:
        table: Numbers with `_low` and `_high` columns where there are intervals.
        headings: Heading per column shown, in order.

    Returns:
        Texts; "13.5 [12.1, 15.0]" with an interval, an en dash where there is no number.
    """
    shown = {}
    for name, heading in headings.items():
        digits = 0 if name in ("n_images", "n_questions") else 2 if name in ("pearson_r", "ratio") else 1
        if name in ("source", "model", "method", "split", "variant", "timing"):
            shown[heading] = table[name].astype(str).tolist()
        elif name == "p_value":
            shown[heading] = [_text(value, "{:.2g}") for value in table[name]]
        else:
            low, high = (
                table.get(f"{name}_{end}", pd.Series(np.nan, table.index)) for end in ("low", "high")
            )
            form = f"{{:,.{digits}f}}"
            shown[heading] = [
                _text(a, form) + (f" [{_text(b, form)}, {_text(c, form)}]" if np.isfinite(b) else "")
                for a, b, c in zip(table[name], low, high, strict=True)
            ]
    return pd.DataFrame(shown)


def _text(value: float, form: str) -> str:
    if not np.isfinite(value):
        return "\N{EN DASH}"
    text = form.format(value)
    is_zero = float(text.replace(",", "")) == 0
    return (text.lstrip("-") if is_zero else text).replace("-", "\N{MINUS SIGN}")


def _reduction(paired: pd.DataFrame, condition: str) -> Interval | None:
    return rate_reduction(paired, condition) if (paired["label"] == "no").any() else None


def ordered(rows: list[Any], labels: list[str], quantities: list[str]) -> pd.DataFrame:
    """Rows as a table with a fixed order of columns.

    Args:
        rows: Rows of the paper and measured ones.
        labels: Columns that name a row, after `source`.
        quantities: Numbers, each with `_low` and `_high` where there is an interval.

    Returns:
        Columns source, labels, quantities, n_images, n_questions, timing; without those that are empty.
    """
    triples = [name + end for name in quantities for end in ("", "_low", "_high")]
    columns = ["source", *labels, *triples, "n_images", "n_questions", "timing"]
    return pd.DataFrame(rows).reindex(columns=columns).dropna(axis=1, how="all")
