"""A stored run as a payload: one card per question, one pass per condition."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from scr_lens.errors import ConfigError, DataError, unknown_name
from scr_lens.grid import PatchGrid
from scr_lens.organisms.recipe import RECIPES
from scr_lens.organisms.shipped import NOTE
from scr_lens.store import read_run
from scr_lens.viewer.arrays import ArrayType
from scr_lens.viewer.payload import FORMAT, VERSION, Payload, describe_maps, pack, ranges, span
from scr_lens.viewer.picture import center_cut, data_uri
from scr_lens.viewer.picture_search import find_pictures
from scr_lens.viewer.run_rows import (
    LIGHT_COLUMNS,
    StoredQuestion,
    acting_layers,
    diagnostic_layers,
    read_maps,
    strength,
)

BASELINE = "vanilla"
LARGEST_SIDE = 384
"""Pictures of a gallery are shrunk to this many pixels."""

_DTYPES: Mapping[str, ArrayType] = {"norm": "float16", "attention_map": "float32"}
_QUESTION = ["model_id", "model_revision", "dtype", "image_sha256", "prompt"]


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """A gallery, and what a caller should tell about it.

    Attributes:
        payload: What the viewer shows.
        n_cards: Questions shown.
        n_questions: Questions of the run that the untouched model answered.
        missing: Names of images whose file was not found.
        uncovered: Names of images that the patch grid does not cover; their maps are drawn without them.
    """

    payload: Payload
    n_cards: int
    n_questions: int
    missing: tuple[str, ...]
    uncovered: tuple[str, ...]


def gallery(
    run: str | Path,
    *,
    pictures: Sequence[Path] = (),
    conditions: Sequence[str] | None = None,
    limit: int = 400,
    is_center_cut: bool = False,
) -> Gallery:
    """Builds the gallery of a stored run.

    Args:
        run: Run directory.
        pictures: Folders with the run's images, searched in this order; a file counts only if its SHA-256 is
            the stored one.
        conditions: Conditions to compare with "vanilla"; None takes all of the run.
        limit: Most questions to show. Of more, every n-th is taken in the order of image and question, so
            that the shown ones are no selection by result.
        is_center_cut: Whether the model's processor cuts a centered part of every image, as CLIP's does.

    Returns:
        The gallery.

    Raises:
        ConfigError: If a condition is not in the run or limit is no positive number.
        StoreError: If the run cannot be read.
        DataError: If no question has an untouched pass, or a picture folder does not exist.
    """
    if limit < 1:
        raise ConfigError(f"limit is {limit}; give the most questions to show, at least 1")
    frame = read_run(run, LIGHT_COLUMNS)
    frame = frame[frame.status == "ok"]
    names = chosen_conditions(tuple(dict.fromkeys(frame.condition)), conditions)
    groups = _groups(frame[frame.condition.isin(names)], run)
    kept = [groups[place] for place in spread(len(groups), limit)]
    maps = read_maps(run, {key for group in kept for key in group.key})
    questions = [_question(group, maps) for group in kept]
    wanted = {str(q.first.image_sha256): str(q.first.image_id) for q in questions}
    pool = _Pictures(grids={str(q.first.image_sha256): q.grid for q in questions})
    for sha256, image in find_pictures(wanted, pictures):
        pool.add(sha256, image, is_center_cut=is_center_cut)
    payload = Payload(
        index=_index(Path(run).name, questions, names, len(groups), pool),
        arrays=tuple(pack([q.maps.get(name) for name in names], _DTYPES) for q in questions),
        pictures=tuple(pool.uris),
    )
    return Gallery(
        payload=payload,
        n_cards=len(questions),
        n_questions=len(groups),
        missing=tuple(sorted({name for sha256, name in wanted.items() if sha256 not in pool.places})),
        uncovered=tuple(sorted(wanted[s] for s, (_, is_covered) in pool.places.items() if not is_covered)),
    )


def chosen_conditions(found: Sequence[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The conditions of a gallery in the order it shows them.

    Args:
        found: Conditions of the run.
        wanted: Conditions to compare with the untouched model; None takes all.

    Returns:
        "vanilla", then "scr" if it is among them and the rest by name, or the wanted ones as given.

    Raises:
        ConfigError: If the run lacks a wanted condition or "vanilla", or has nothing else.
    """
    if BASELINE not in found:
        held = ", ".join(sorted(found)) or "none"
        raise ConfigError(f"conditions of the run: {held}; a gallery needs 'vanilla', run it as well")
    others = sorted((name for name in found if name != BASELINE), key=lambda name: (name != "scr", name))
    for name in wanted or ():
        if name not in found:
            raise ConfigError(unknown_name("condition", name, others))
    kept = others if not wanted else [name for name in dict.fromkeys(wanted) if name != BASELINE]
    if not kept:
        raise ConfigError(
            "no condition besides 'vanilla': a gallery compares with it, run another one as well"
        )
    return (BASELINE, *kept)


def spread(n_found: int, limit: int) -> list[int]:
    """Evenly spaced places.

    Args:
        n_found: Number of items.
        limit: Most places.

    Returns:
        Ascending distinct places from 0 to `n_found - 1`; all of them if they are few enough.
    """
    count = min(n_found, limit)
    return [place * n_found // count for place in range(count)]


@dataclass(frozen=True, kw_only=True)
class _Pictures:
    """Pictures of a gallery, each once; `places` says number and whether the grid covers it, by SHA-256."""

    grids: Mapping[str, PatchGrid]
    uris: list[str] = field(default_factory=list)
    places: dict[str, tuple[int, bool]] = field(default_factory=dict)

    def add(self, sha256: str, image: Image.Image, *, is_center_cut: bool) -> None:
        """Takes a picture in."""
        grid = self.grids[sha256]
        shown = center_cut(image, grid) if is_center_cut else image
        self.places[sha256] = (len(self.uris), grid.covers(*shown.size))
        self.uris.append(data_uri(shown, LARGEST_SIDE))


def _groups(frame: pd.DataFrame, run: str | Path) -> list[pd.DataFrame]:
    """Rows of one question each, those with an untouched pass, in the order of image and question."""
    order = ["image_id", "prompt", "condition", "key"]
    grouped = frame.sort_values(order, kind="stable").groupby(_QUESTION, sort=False)
    groups = [group for _, group in grouped if BASELINE in set(group.condition)]
    if not groups:
        raise DataError(f"{run}: no question has an untouched pass; run the condition 'vanilla' as well")
    return groups


def _question(group: pd.DataFrame, maps: Mapping[str, Any]) -> StoredQuestion:
    rows: dict[str, Any] = {str(row.condition): row for row in group.itertuples()}
    return StoredQuestion(rows=rows, maps={name: maps[row.key] for name, row in rows.items()})


def caveat_of(models: Sequence[str]) -> str:
    """What a reader of some models' stored answers has to know; empty unless an organism is among them.

    Args:
        models: The `model_id`s of stored rows: names, folders or hub names.
    """
    return NOTE if any(Path(model).name in RECIPES for model in models) else ""


def _index(
    run: str, questions: Sequence[StoredQuestion], names: tuple[str, ...], n_questions: int, pool: _Pictures
) -> dict[str, Any]:
    models = sorted({str(q.first.model_id) for q in questions})
    benchmarks = sorted({str(q.first.benchmark) for q in questions})
    shown = f"{len(questions)} of {n_questions} questions, evenly spaced"
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": "gallery",
        "title": run,
        "note": caveat_of(models),
        "facts": [
            ["model", ", ".join(models)],
            ["benchmark", ", ".join(benchmarks)],
            ["shown", shown if len(questions) < n_questions else f"all {n_questions} questions"],
        ],
        "conditions": list(names),
        "maps": describe_maps([name for q in questions for held in q.maps.values() for name in held.maps]),
        "cards": [_card(question, names, pool) for question in questions],
    }


def _card(question: StoredQuestion, names: tuple[str, ...], pool: _Pictures) -> dict[str, Any]:
    first, n_layers = question.first, int(question.first.n_layers)
    number, is_covered = pool.places.get(str(first.image_sha256), (None, False))
    return {
        "title": str(first.image_id),
        "question": first.question or first.prompt,
        "label": first.label,
        "picture": number,
        "overlay": is_covered,
        "grid": [question.grid.height, question.grid.width],
        "n_layers": n_layers,
        "diagnostic": span(diagnostic_layers(first.config_json, n_layers)),
        "facts": _facts(question),
        "ranges": ranges([question.maps.get(name) for name in names]),
        "passes": [_pass(name, question) for name in names],
    }


def _facts(question: StoredQuestion) -> list[list[str]]:
    first = question.first
    asked = [["object", first.object], ["right answer", first.label]]
    splits = [["splits", ", ".join(dict.fromkeys(first.splits))]]
    facts = [["model", str(first.model_id)], ["prompt", first.prompt], *asked, *splits]
    return [[name, text] for name, text in facts if text]


def _pass(name: str, question: StoredQuestion) -> dict[str, Any] | None:
    row = question.rows.get(name)
    if row is None:
        return None
    evenness = 1 / math.log(question.grid.size) if question.grid.size > 1 else 0.0
    return {
        "name": name,
        "answer": row.answer,
        "p_yes": _number(row.p_yes),
        "p_no": _number(row.p_no),
        "strength": strength(row.config_json),
        "acting": span(acting_layers(name, row.config_json, int(row.n_layers))),
        "entropy": {
            "norm": [float(f"{h * evenness:.7g}") for h in _values(row.entropy_norm_nats)],
            "attention_map": [
                float(f"{h * evenness:.7g}") for h in _values(row.entropy_attention_nats) if np.isfinite(h)
            ],
        },
    }


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _values(cell: Any) -> np.ndarray:
    return np.empty(0) if cell is None else np.atleast_1d(np.asarray(cell, dtype=np.float64))
