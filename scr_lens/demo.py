"""The main job, end to end: POPE on rendered scenes, four conditions, tables, figures, inspected images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from scr_lens.execute import available_cores, execute
from scr_lens.figures import (
    FIGURES,
    inspection_figure,
    run_origin,
    save,
    to_csv,
    to_markdown,
    write_provenance,
)
from scr_lens.figures.saving import write_figure_file
from scr_lens.inspection import inspect_image
from scr_lens.models import caveat, load
from scr_lens.organisms.canvas import SQUARE, Canvas
from scr_lens.pictures import read_image
from scr_lens.questions import Question, standard_conditions
from scr_lens.run_config import RunConfig
from scr_lens.store import read_run
from scr_lens.tally import Summary
from scr_lens.tasks import PopeWorld
from scr_lens.trace import Lens, Sample
from scr_lens.world_benchmark import canvases_of

logger = logging.getLogger(__name__)

CONDITIONS = ("vanilla", "scr", "uniform-smooth", "identity")
N_IMAGES = 500
"""Pictures of the demo, as many as official POPE has."""

_COLUMNS = tuple(
    dict.fromkeys(name for entry in FIGURES.values() for name in (*entry.columns, "object", "p_yes"))
)
"""What figures and `interesting` read; the maps, most of a run's bytes, stay on the disk."""


@dataclass(frozen=True)
class Demo:
    """What the demo made.

    Attributes:
        summary: What the run computed and what it reused.
        table: Metrics per condition and split.
        files: Everything written, tables first.
        run: The stored run.
        note: What a reader of the answers has to know; empty for an ordinary model.
    """

    summary: Summary
    table: pd.DataFrame
    files: tuple[Path, ...]
    run: Path
    note: str


def run_demo(
    model: str, out: Path, *, work: Path = Path(), n_images: int = N_IMAGES, jobs: int | None = None
) -> Demo:
    """Runs POPE on the test scenes under four conditions and draws what came out.

    A second call finds the stored run and only draws.

    Args:
        model: Organism, checkpoint folder or hub name.
        out: Folder for tables and figures.
        work: Folder under which runs and rendered pictures are kept.
        n_images: Test pictures.
        jobs: Most processes; None takes one per CPU core, or one on a GPU.

    Returns:
        Table, files and run.
    """
    lens = load(model)
    config = demo_config(model, n_images, work, canvases_of(lens))
    run = work / "runs" / f"demo-{Path(model).name}-{n_images}-{lens.revision[:8]}"
    chosen = jobs or (available_cores() if lens.device.type == "cpu" else 1)
    summary = execute(config, run, jobs=chosen, lens=lens)
    questions = config.benchmark.questions(config.seed)
    frame = read_run(run, _COLUMNS)
    folder = out / f"demo-{Path(model).name}"
    tables = {name: entry.table(frame) for name, entry in FIGURES.items()}
    table = tables["conditions"]
    drawn = {"pope": _tables(table, folder)}
    for name, entry in FIGURES.items():
        drawn[name] = save(entry.draw(frame, tables[name]), folder, name, tables[name])
    for question in interesting(frame, questions):
        name = f"inspect-{Path(question.image_id).stem}-{question.object.replace(' ', '_')}"
        drawn[name] = _inspect(lens, question, folder, name)
    provenance = write_provenance(folder, drawn, run_origin(frame))
    files = (*(file for written in drawn.values() for file in written), provenance)
    return Demo(summary, table, files, run, caveat(lens))


def demo_config(
    model: str, n_images: int, work: Path = Path(), canvases: tuple[Canvas, ...] = (SQUARE,)
) -> RunConfig:
    """What the demo runs: POPE on test scenes, under `CONDITIONS` with the paper's settings."""
    folder = str(work / "data" / "world")
    return RunConfig(
        model=model,
        benchmark=PopeWorld(n_images=n_images, canvases=canvases, folder=folder),
        conditions=standard_conditions(CONDITIONS),
    )


def _tables(table: pd.DataFrame, folder: Path) -> tuple[Path, ...]:
    contents = {"pope.md": to_markdown(table), "pope.csv": to_csv(table)}
    return tuple(write_figure_file(folder, name, text.encode()) for name, text in contents.items())


def interesting(frame: pd.DataFrame, questions: Sequence[Question]) -> list[Question]:
    """Three questions worth a look: a confident false yes, a confident right yes, the largest change by SCR.

    Args:
        frame: Rows of the run.
        questions: What was asked.

    Returns:
        At most three distinct questions; ties go to the first in the order of image and object.
    """
    rows = frame.set_index(["image_id", "object"]).sort_index()
    before, after = rows[rows.condition == "vanilla"], rows[rows.condition == "scr"]
    false_yes = before[(before.label == "no") & (before.answer == "yes")]
    right_yes = before[(before.label == "yes") & (before.answer == "yes")]
    change = (after.p_yes - before.p_yes).abs()
    picks: list[Any] = [table.p_yes.idxmax() for table in (false_yes, right_yes) if len(table)] + [
        change.idxmax()
    ]
    known = {(q.image_id, q.object): q for q in questions}
    return [known[key] for key in dict.fromkeys(picks)]


def _inspect(lens: Lens, question: Question, folder: Path, name: str) -> tuple[Path, ...]:
    sample = Sample(read_image(question.image)[0], question=question.text, image_id=question.image_id)
    return save(inspection_figure(inspect_image(lens, sample, note=caveat(lens))), folder, name)
