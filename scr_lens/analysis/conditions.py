"""Which conditions a run holds and in what they differ, read from their stored settings."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from scr_lens.analysis.records import PAIR_KEY, of_split, require_columns, split_names, usable_records
from scr_lens.errors import DataError

REFERENCE = "scr"
"""Condition with the paper's settings; ablations differ from it in one setting."""

LEAST_LAMBDAS = 4
"""Strengths above 1 that a test of an inverted U needs."""


class MissingEvidenceError(DataError):
    """What a claim or a figure needs was not run; the message says what."""


def condition_names(frame: pd.DataFrame) -> list[str]:
    """Conditions with at least one usable row, in alphabetical order.

    Args:
        frame: Records.

    Returns:
        Names.
    """
    require_columns(frame, ["condition"])
    rows = frame[frame["status"] == "ok"] if "status" in frame.columns else frame
    return sorted(map(str, rows["condition"].unique()))


def require_conditions(frame: pd.DataFrame, *names: str) -> None:
    """Refuse records that lack a condition.

    Args:
        frame: Records.
        *names: Conditions that must occur.

    Raises:
        MissingEvidenceError: Naming those that are missing and those at hand.
    """
    held = condition_names(frame)
    missing = [name for name in names if name not in held]
    if missing:
        raise MissingEvidenceError(
            f"needs condition{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"the run holds {_shortened(held)}"
        )


def _shortened(names: list[str], shown: int = 5) -> str:
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")


def settings_by_condition(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Settings of every condition, nested ones under dotted names.

    Args:
        frame: Records with `condition` and `config_json`.

    Returns:
        Per condition, setting to value, for example {"lambda": 1.1, "diagnostic.head_share": 1.0}.

    Raises:
        DataError: If a column is missing.
    """
    require_columns(frame, ["condition", "config_json"])
    first = frame.drop_duplicates("condition").sort_values("condition")
    return {
        str(name): _flat(json.loads(text))
        for name, text in zip(first["condition"], first["config_json"], strict=True)
    }


def variants(frame: pd.DataFrame, setting: str, reference: str = REFERENCE) -> dict[Any, str]:
    """Conditions that equal a reference in everything but one setting.

    Args:
        frame: Records with `condition` and `config_json`.
        setting: Name of the setting, dotted if nested.
        reference: Condition compared with.

    Returns:
        Condition name per value of the setting, the reference under its own value first.

    Raises:
        MissingEvidenceError: If the reference is not in the records.
    """
    require_conditions(frame, reference)
    settings = settings_by_condition(frame)
    fixed = _without(settings[reference], setting)
    found = {settings[reference].get(setting): reference}
    for name, values in settings.items():
        if name != reference and _without(values, setting) == fixed:
            found.setdefault(values.get(setting), name)
    return found


def _without(settings: Mapping[str, Any], setting: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != setting}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def common_questions(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Records of questions that were answered under every one of some conditions.

    Args:
        frame: Records.
        names: Conditions; ablations are often run on fewer images than the main conditions.

    Returns:
        Usable rows of these conditions about the questions that all of them share.

    Raises:
        MissingEvidenceError: If a condition is missing or no question is shared.
    """
    wanted = list(dict.fromkeys(names))
    require_conditions(frame, *wanted)
    rows = usable_records(frame)
    rows = rows[rows["condition"].isin(wanted)]
    key = list(PAIR_KEY)
    shared = rows.groupby(key)["condition"].transform("nunique") == len(wanted)
    if not shared.any():
        raise MissingEvidenceError(
            f"no question was asked under all of {', '.join(wanted)}: run them on one set"
        )
    return rows[shared].reset_index(drop=True)


def main_split(frame: pd.DataFrame, split: str = "adversarial") -> pd.DataFrame:
    """Records of the split that the paper reports on.

    Args:
        frame: Records.
        split: The split.

    Returns:
        Its rows; all rows where the benchmark has no such split.
    """
    return of_split(frame, split) if split in split_names(frame) else frame


def lambda_conditions(frame: pd.DataFrame) -> dict[float, str]:
    """Conditions of the lambda grid.

    Args:
        frame: Records.

    Returns:
        Condition per lambda above 1, in increasing order.

    Raises:
        MissingEvidenceError: If there are fewer than four.
    """
    found = {float(k): name for k, name in sorted(variants(frame, "lambda").items()) if float(k) > 1}
    if len(found) < LEAST_LAMBDAS:
        raise MissingEvidenceError(
            f"needs SCR at {LEAST_LAMBDAS} strengths above 1 or more (a lambda grid); the run has "
            f"{', '.join(f'{k:g}' for k in found) or 'none'}"
        )
    return found
