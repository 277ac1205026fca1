"""What a run was made with: versions, machine, seeds and the state of the code."""

import datetime
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from scr_lens.store.schema import SCHEMA_VERSION

_DISTRIBUTIONS = {
    "scr_lens": "scr-lens",
    "torch": "torch",
    "transformers": "transformers",
    "nnsight": "nnsight",
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
}


def describe_run(
    config: Mapping[str, Any] | None, seeds: Mapping[str, int] | None, device: str | None
) -> dict[str, Any]:
    """Collect the content of run.json.

    Args:
        config: Settings of the run as plain values.
        seeds: Every seed by its purpose.
        device: Device of the model in words, such as "cpu".

    Returns:
        Plain values: versions (None where not installed), machine, seeds, settings, git state, time of
            creation.
    """
    return {
        "format": "scr_lens run",
        "schema_version": SCHEMA_VERSION,
        "created_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {name: _version(distribution) for name, distribution in _DISTRIBUTIONS.items()},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "device": device,
        "seeds": dict(seeds or {}),
        "config": dict(config or {}),
        "git": git_state(Path(__file__).parent),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Read the commit of the code in a folder.

    Args:
        folder: A folder of the source tree.

    Returns:
        `commit` and whether tracked files are changed (`dirty`); None where the folder is not tracked by git
        or git is not installed.
    """
    if not _git(folder, "ls-files", "."):
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": bool(changes)} if commit else None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
