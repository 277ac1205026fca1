"""What was measured on an organism, as it lies beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scr_lens.errors import DataError
from scr_lens.json_records import read_text

SCORES = "scores.json"
"""File of the measurements in an organism's folder."""
_PARTS = ("captions", "parameters", "pope")


def read_scores(folder: Path) -> dict[str, Any]:
    """Reads the measurements of an organism.

    Args:
        folder: Its checkpoint folder.

    Returns:
        "parameters" (a number), "pope" (per split, each metric with its interval) and "captions".

    Raises:
        DataError: If there are none, or they are damaged.
    """
    path = folder / SCORES
    if not path.is_file():
        raise DataError(
            f"{folder} holds no measurements ({SCORES} is missing); make them with: "
            f"scr-lens organism train {folder.name}"
        )
    try:
        scores = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: malformed JSON ({error.msg}); {_again(folder)}") from error
    missing = [part for part in _PARTS if not isinstance(scores, dict) or part not in scores]
    if missing:
        raise DataError(f"{path}: no {', '.join(missing)}; {_again(folder)}")
    return dict(scores)


def _again(folder: Path) -> str:
    return f"measure again with: scr-lens organism train {folder.name}"
