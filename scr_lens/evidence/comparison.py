"""The comparison of all methods that belongs to a run: looked for beside it, refused if of another model.

A report reads from it what its own run does not hold: the paper's baselines and the time of every method
alone. Rows of the two are never put into one statistic.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from scr_lens.errors import StoreError
from scr_lens.evidence.evidence import POPE, Comparison, Evidence
from scr_lens.evidence.times import read_times
from scr_lens.store import read_info, read_run

COMPARED = "comparison.json"
"""File of a comparison's folder, written when its runs are done: model, revision and what was left out."""

_ANSWERS = (
    "key", "model_id", "model_revision", "dtype", "benchmark", "splits", "image_id", "question", "object",
    "label", "condition", "config_digest", "config_json", "status", "answer",
)  # fmt: skip

_SHORT = 8


def with_comparison(evidence: Evidence, path: str | Path) -> Evidence:
    """Add the finished comparison of the same model that lies beside a run or an experiment folder.

    Args:
        evidence: What is stored in the folder.
        path: The folder; comparisons are looked for in the folder that holds it.

    Returns:
        The evidence with the comparison of most images that has the same revision, dtype and settings, and
        with its times where the folder has none of its own; without one, why.

    Raises:
        StoreError: If a comparison's file is damaged.
    """
    found: list[Comparison] = []
    refused: list[str] = []
    for folder, facts in _beside(Path(path).resolve()):
        reason = _other_revision(evidence, folder.name, facts)
        if reason is None:
            comparison = _read(folder, facts)
            reason = _other_rows(evidence.answers, comparison)
            found += [comparison] if not reason else []
        refused += [reason] if reason else []
    if not found:
        return replace(evidence, no_comparison="; ".join(refused) or "no comparison lies beside the run")
    best = max(found, key=lambda comparison: (comparison.n_images, comparison.name))
    return replace(evidence, comparison=best, times=best.times if evidence.times is None else evidence.times)


def _beside(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Folders of finished comparisons next to a folder, with their facts."""
    for file in sorted(folder.parent.glob(f"*/{COMPARED}")):
        if file.parent == folder:
            continue
        try:
            facts = json.loads(file.read_bytes())
            known = {name: str(facts[name]) for name in ("model", "revision")}
            left_out = {str(name): str(why) for name, why in facts.get("left_out", {}).items()}
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise StoreError(
                f"cannot read {file} ({error}); delete it and run `scr-lens compare` again"
            ) from error
        yield file.parent, {**known, "left_out": left_out}


def _other_revision(evidence: Evidence, name: str, facts: Mapping[str, Any]) -> str | None:
    """Why a comparison is of no use by its facts; empty for one of another model, which need not be told."""
    revisions = set(evidence.answers["model_revision"])
    if revisions == {facts["revision"]}:
        return None
    if Path(facts["model"]).name != Path(evidence.name).name:
        return ""
    mine = ", ".join(sorted(str(revision)[:_SHORT] for revision in revisions))
    return f"{name} is of revision {facts['revision'][:_SHORT]}, not {mine}"


def _other_rows(answers: pd.DataFrame, comparison: Comparison) -> str:
    """Why a comparison is of no use by its rows: other identities, or other settings under a name."""
    for column, what in (("model_revision", "revision"), ("dtype", "dtype")):
        mine, its = (set(frame[column]) for frame in (answers, comparison.answers))
        if mine != its:
            texts = (", ".join(sorted(str(value)[:_SHORT] for value in values)) for values in (its, mine))
            return f"{comparison.name} is of {what} {' and not '.join(texts)}"
    settings = (
        frame.drop_duplicates("condition").set_index("condition")["config_digest"]
        for frame in (answers, comparison.answers)
    )
    both = pd.concat(list(settings), axis=1, join="inner", keys=["mine", "its"])
    differing = sorted(map(str, both.index[both["mine"] != both["its"]]))
    if differing:
        return f"{comparison.name} ran {', '.join(differing)} with other settings"
    return ""


def _read(folder: Path, facts: Mapping[str, Any]) -> Comparison:
    run = folder / POPE
    return Comparison(
        name=folder.name,
        begun=str(read_info(run).get("created_utc", ""))[: len("2026-01-01")],
        answers=read_run(run, _ANSWERS),
        left_out=facts["left_out"],
        times=read_times(folder),
    )
