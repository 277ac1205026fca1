"""Every method against vanilla on the same questions and captions; runs with several seeds are pooled.

A method that draws is run under several seeds, each a condition of its own. Its estimate is that of all its
rows together, so a rate is the mean over seeds; the interval takes the image as the unit, with the rows of
all seeds, so it is about the pictures, and the spread over seeds stands beside it.
"""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Unpack

import numpy as np
import pandas as pd
from jaxtyping import Float

from scr_lens.analysis.bootstrap import IntervalOptions, rate_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.conditions import condition_names, settings_by_condition
from scr_lens.analysis.hallucination import metric_difference, metric_interval
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.means import ratio_interval
from scr_lens.analysis.paired_ratio import paired_ratio
from scr_lens.analysis.paired_terms import terms_difference
from scr_lens.analysis.records import of_condition, of_split, pair_conditions, require_columns, split_names
from scr_lens.analysis.unchanged import widened
from scr_lens.errors import DataError

METRICS = ("hallucination_rate", "accuracy", "f1")
"""Yes/no metrics of the comparison."""

CAPTION_METRICS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "chair_s": ("is_hallucinated", "n_captions"),
        "chair_i": ("n_hallucinated", "n_mentions"),
        "recall": ("n_recalled", "n_objects"),
        "words": ("n_words", "n_captions"),
        "cider": ("cider", "n_captions"),
    }
)
"""Caption metrics as numerator and denominator: CHAIR-s, CHAIR-i, recall of objects, words and CIDEr-D x 100
per caption."""

_SHARES = ("chair_s", "chair_i", "recall")


def seed_groups(frame: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Conditions that differ in their seed only.

    Args:
        frame: Records with `condition` and `config_json`.

    Returns:
        The conditions of each method with its settings, in order of their names; the key is the first name.
    """
    found: dict[str, dict[str, str]] = {}
    settings = settings_by_condition(frame)
    for name in condition_names(frame):
        rest = {key: value for key, value in settings[name].items() if key != "seed"}
        seeds = found.setdefault(json.dumps(rest, sort_keys=True, default=str), {})
        seeds.setdefault(str(settings[name].get("seed")), name)
    groups = (sorted(seeds.values(), key=lambda name: (len(name), name)) for seeds in found.values())
    return {names[0]: tuple(names) for names in groups}


def yes_no_comparison(
    frame: pd.DataFrame, baseline: str = "vanilla", **options: Unpack[IntervalOptions]
) -> pd.DataFrame:
    """Every yes/no metric of every method and its paired change, split by split.

    Args:
        frame: Records of one model with `config_json`.
        baseline: Condition compared against.
        **options: Interval method, resamples and seed (see `bootstrap.IntervalOptions`).

    Returns:
        Rows of split, method, metric, estimate and difference with their ends, in [0, 1] and [-1, 1];
        n_seeds; seed_sd, seed_low, seed_high: standard deviation and extremes of the estimate over seeds (NaN
        for one seed); n_images, n_questions. The baseline's own difference is NaN; where no image changed,
        the interval is that of `unchanged.widened`.

    Raises:
        DataError: If the baseline is missing or records are malformed.
    """
    require_columns(frame, ["condition", "config_json", "image_id", "question", "label", "answer"])
    rows = []
    for split in split_names(frame):
        part = of_split(frame, split)
        for method, names in seed_groups(frame).items():
            held = [of_condition(part, name) for name in names]
            pairs = [] if baseline in names else [pair_conditions(part, baseline, name) for name in names]
            sizes = {"n_images": held[0]["image_id"].nunique(), "n_questions": len(held[0])}
            for metric in METRICS:
                change = _known(metric_difference(pd.concat(pairs), metric, **options)) if pairs else None
                single = [metric_interval(rows, metric) for rows in held]
                cells = _cells(metric_interval(pd.concat(held), metric), change, single)
                rows.append({"split": split, "method": method, "metric": metric, **cells, **sizes})
    return pd.DataFrame(rows)


def caption_comparison(
    captions: pd.DataFrame,
    groups: Mapping[str, Sequence[str]],
    baseline: str = "vanilla",
    **options: Unpack[IntervalOptions],
) -> pd.DataFrame:
    """Every caption metric of every method and its paired change.

    Args:
        captions: Scored captions, see `evidence.score_captions`.
        groups: Conditions of each method, see `seed_groups`; those without captions are left out.
        baseline: Condition compared against.
        **options: Interval method, resamples and seed.

    Returns:
        Rows of method, metric and the same cells as `yes_no_comparison`; shares in [0, 1], words and CIDEr-D
        x 100 in their own unit.

    Raises:
        DataError: If the baseline has no captions, or a method captioned other images.
    """
    scored = captions.assign(is_hallucinated=captions["n_hallucinated"] > 0, n_captions=1)
    before = _of(scored, baseline)
    known = set(scored["condition"])
    rows = []
    for method, wanted in groups.items():
        names = [name for name in wanted if name in known]
        if not names:
            continue
        held = [_aligned(_of(scored, name), before, name) for name in names]
        images = before["image_id"].tolist()
        sizes = {"n_images": len(images), "n_questions": len(images)}
        for metric in CAPTION_METRICS:
            terms = [_terms(rows, metric) for rows in held]
            pooled, many = np.concatenate(terms), images * len(held)
            base = np.concatenate([_terms(before, metric)] * len(held))
            change = None if baseline in names else terms_difference(pooled, base, many, **options)
            level = _level(metric, pooled, many)
            single = [_level(metric, part, images) for part in terms]
            cells = _cells(level, _known(change) if metric in _SHARES else change, single)
            rows.append({"method": method, "metric": metric, **cells, **sizes})
    return pd.DataFrame(rows)


def overhead_table(times: pd.DataFrame, baseline: str = "vanilla") -> pd.DataFrame:
    """How many times as long as vanilla each method takes, on the same questions and pictures.

    Args:
        times: Rows of task ("question" or "caption"), item (what was asked), condition, ms and n_tokens.
        baseline: Condition compared against.

    Returns:
        One row per condition: median ms, and median and quartiles of the paired ratios, per question and per
        generated token of a caption (time of the caption over its tokens, the prompt's share included);
        NaN where a task was not timed.

    Raises:
        DataError: If the baseline was not timed.
    """
    require_columns(times, ["task", "item", "condition", "ms", "n_tokens"])
    per_token = times.assign(ms=times["ms"] / times["n_tokens"].clip(lower=1))
    parts = {
        "question": times[times["task"] == "question"],
        "token": per_token[per_token["task"] == "caption"],
    }
    if baseline not in set(times["condition"]):
        raise DataError(f"condition {baseline!r} was not timed: there is nothing to compare with")
    return pd.DataFrame(
        {"method": name} | _ratio_cells("question", parts["question"], name, baseline)
        | _ratio_cells("token", parts["token"], name, baseline)
        for name in times["condition"].unique()
    )  # fmt: skip


def _ratio_cells(unit: str, part: pd.DataFrame, name: str, baseline: str) -> dict[str, float]:
    table = part.pivot_table(index="item", columns="condition", values="ms")
    columns = (f"{unit}_ms", f"{unit}_ratio", f"{unit}_ratio_low", f"{unit}_ratio_high", f"n_{unit}s")
    paired = (
        table[[name, baseline]].dropna() if {name, baseline} <= set(table.columns) else table[[]].iloc[:0]
    )
    if len(paired) < 2:
        return dict.fromkeys(columns, float("nan"))
    mine, base = (paired.iloc[:, side].tolist() for side in (0, -1))
    ratio = paired_ratio(mine, base)
    values = (float(np.median(mine)), ratio.median, ratio.low, ratio.high, len(paired))
    return dict(zip(columns, values, strict=True))


def _cells(
    estimate: Interval | None, change: Interval | None, single: Sequence[Interval | None]
) -> dict[str, float]:
    per_seed = [found.estimate for found in single if found is not None]
    several = len(per_seed) > 1
    low, high = (min(per_seed), max(per_seed)) if several else (np.nan, np.nan)
    deviation = float(np.std(per_seed, ddof=1)) if several else np.nan
    return {
        **_ends("estimate", estimate),
        **_ends("difference", change),
        "n_seeds": len(single),
        "seed_sd": deviation,
        "seed_low": low,
        "seed_high": high,
    }


def _ends(name: str, found: Interval | None) -> dict[str, float]:
    values = (np.nan,) * 3 if found is None else (found.estimate, found.low, found.high)
    return {name + end: value for end, value in zip(("", "_low", "_high"), values, strict=True)}


def _of(scored: pd.DataFrame, name: str) -> pd.DataFrame:
    rows = scored[scored["condition"] == name].sort_values("image_id")
    if rows.empty:
        raise DataError(f"condition {name!r} has no captions; run the captions of all methods together")
    return rows


def _aligned(rows: pd.DataFrame, before: pd.DataFrame, name: str) -> pd.DataFrame:
    if rows["image_id"].tolist() != before["image_id"].tolist():
        raise DataError(
            f"condition {name!r} captioned other images than the baseline ({len(rows)} and {len(before)}); "
            "finish the run first"
        )
    return rows


def _terms(rows: pd.DataFrame, metric: str) -> Float[np.ndarray, "caption 2"]:
    terms: np.ndarray = rows[list(CAPTION_METRICS[metric])].to_numpy(dtype=np.float64)
    return terms


def _level(metric: str, terms: Float[np.ndarray, "caption 2"], images: Sequence[object]) -> Interval | None:
    if not terms[:, 1].sum():
        return None
    if metric in _SHARES:
        return rate_interval(image_totals(terms, images))
    return ratio_interval(terms[:, 0], terms[:, 1], images)


def _known(change: Interval | None) -> Interval | None:
    """A change of a share; where no image changed, with the interval that this allows."""
    return None if change is None else widened(change)
