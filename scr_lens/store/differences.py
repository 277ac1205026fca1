"""What makes two run directories different runs."""

import json
from collections.abc import Mapping, Set
from typing import Any

from scr_lens.store.conditions import by_name, seed_name


def different_settings(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say in which setting or seed two runs differ; conditions that only one of them has do not count.

    Args:
        existing: Content of a run.json.
        wanted: Content of another.

    Returns:
        The first difference with both values; "" if there is none.
    """
    shared = by_name(existing).keys() & by_name(wanted).keys()
    for name in ("config", "seeds"):
        old, new = _compared(existing, name, shared), _compared(wanted, name, shared)
        if old != new:
            return _difference(name, old, new)
    return ""


def _compared(info: Mapping[str, Any], part: str, shared: Set[str]) -> Any:
    """Settings or seeds of a run, of its conditions only the shared ones, by name."""
    values, named = info.get(part), by_name(info)
    if not named or not isinstance(values, Mapping):
        return values
    if part == "seeds":
        others = {seed_name(name) for name in named if name not in shared}
        return {key: value for key, value in values.items() if key not in others}
    return {**values, "conditions": {name: one for name, one in named.items() if name in shared}}


def _difference(place: str, old: Any, new: Any) -> str:
    """The innermost difference of two plain values."""
    if isinstance(old, dict) and isinstance(new, dict):
        key = next(
            key for key in (*old, *new) if old.get(key) != new.get(key) or (key in old) != (key in new)
        )
        return _difference(f"{place}.{key}", old.get(key), new.get(key))
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        index = next(index for index, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1])
        return _difference(f"{place}[{index}]", old[index], new[index])
    return f"{place} is {json.dumps(old)}, not {json.dumps(new)}"
