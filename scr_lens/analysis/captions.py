"""Captions of a run in the format of official caption files."""

from __future__ import annotations

from typing import Any

import pandas as pd

from scr_lens.analysis.records import OK_STATUS, require_columns
from scr_lens.errors import DataError


def captions_of(frame: pd.DataFrame, condition: str) -> list[dict[str, Any]]:
    """Captions of one condition.

    Args:
        frame: Rows of a run.
        condition: Whose captions.

    Returns:
        `{"image_id": number, "caption": text}` per captioned image, by image id: what CHAIR and CIDEr read.

    Raises:
        DataError: If there is no such condition, it has no captions, or images have no numbers for names.
    """
    require_columns(frame, ["image_id", "condition", "answer_text"])
    rows = frame[frame["condition"] == condition]
    if len(rows) == 0:
        known = sorted(map(str, frame["condition"].unique()))
        raise DataError(f"condition {condition!r}: expected one of {known}; choose a condition of this run")
    if "status" in frame.columns:
        rows = rows[rows["status"] == OK_STATUS]
    written = rows[rows["answer_text"].notna()]
    if len(written) == 0:
        raise DataError(f"condition {condition!r} has no captions; run a captions benchmark")
    for name in written["image_id"]:
        if not str(name).isdecimal():
            raise DataError(f"image {name!r} has no COCO number; captions are scored by number")
    pairs = zip(written["image_id"], written["answer_text"], strict=True)
    return [{"image_id": n, "caption": text} for n, text in sorted((int(i), t) for i, t in pairs)]
