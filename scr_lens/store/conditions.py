"""Conditions that a run was given after it was made, each in its own file: run.json is never rewritten."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scr_lens.errors import StoreError
from scr_lens.store import atomic
from scr_lens.store.manifest import check_version

FORMAT = "scr_lens condition"


def with_added(folder: Path, info: Mapping[str, Any]) -> dict[str, Any]:
    """Put the added conditions to those that a run was made with.

    Args:
        folder: Run directory.
        info: Content of its run.json.

    Returns:
        The same with the added conditions at the end of `config.conditions`, oldest first, and their seeds.

    Raises:
        StoreError: If a file is damaged or of another schema version.
    """
    added = sorted((_read(path) for path in _files(folder)), key=lambda one: one["created_utc"])
    if not added:
        return dict(info)
    known, seeds = by_name(info), dict(info["seeds"])
    for one in added:
        for name, condition in by_name(one).items():
            known.setdefault(name, condition)
        seeds = one["seeds"] | seeds
    return {**info, "config": {**info["config"], "conditions": list(known.values())}, "seeds": seeds}


def add_conditions(folder: Path, existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Keep the conditions that a run does not have yet, with the versions and the machine that add them.

    Args:
        folder: Run directory.
        existing: What `reader.read_info` says of the run.
        wanted: Content of a run.json with further conditions; the common ones agree.

    Raises:
        FileExistsError: If another process adds one of them at the same moment.
        OSError: If the disk refuses.
    """
    known = by_name(existing)
    for name, condition in by_name(wanted).items():
        if name not in known:
            seeds = {key: seed for key, seed in wanted["seeds"].items() if key == seed_name(name)}
            content = {**wanted, "format": FORMAT, "config": {"conditions": [condition]}, "seeds": seeds}
            path = folder / f"condition-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
            atomic.write_bytes(path, json.dumps(content, indent=1).encode() + b"\n", overwrite=False)


def copy_added(folder: Path, target: Path) -> None:
    """Copy the added conditions of a run to another one that lacks them.

    Args:
        folder: Run directory to copy from.
        target: Run directory to copy to; its conditions of the same names agree.

    Raises:
        OSError: If the disk refuses.
    """
    for path in _files(folder):
        if not (target / path.name).exists():
            atomic.write_bytes(target / path.name, path.read_bytes())


def by_name(info: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The conditions of a run by name; none for a run whose settings have none."""
    return {one["name"]: one for one in _conditions(info)}


def seed_name(condition: str) -> str:
    """The purpose under which the seed of a condition is kept."""
    return f"condition {condition}"


def _conditions(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = (info.get("config") or {}).get("conditions")
    if not isinstance(found, list) or not all(isinstance(one, Mapping) and "name" in one for one in found):
        return []
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("condition-*.json"))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {path}: {error}; restore it from a copy") from error
    check_version(path, content.get("schema_version") if isinstance(content, dict) else None)
    return dict(content)
