"""Runs: plan minus what is stored, in batches, into the store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from tqdm.auto import tqdm

from scr_lens.answering import Answered, answer
from scr_lens.chunks import Chunk, whole_image_chunks
from scr_lens.comparison import baseline_pass, diagnostic_capture
from scr_lens.errors import DataError, LayoutError
from scr_lens.measurement import Measurement, YesNoAnswers
from scr_lens.pictures import read_image
from scr_lens.questions import Condition, Question, diagnostic_of
from scr_lens.row_cells import Row, accepted, asked, measured, planned
from scr_lens.row_identity import RowIdentity
from scr_lens.store import RunStore, missing_image_digest, row_key
from scr_lens.tally import Summary, Tally
from scr_lens.trace import Batch, Lens, Sample, encode_images

logger = logging.getLogger(__name__)

BATCH_SIZE = 48
"""Samples per forward pass, unless memory asks for fewer."""
_KEPT_IMAGES = 64


@dataclass(frozen=True, eq=False)
class _Job:
    """A question with its image read, and the conditions that are still to be run on it."""

    question: Question
    sample: Sample
    image_sha256: str
    prompt: str
    pending: frozenset[str]


def run_questions(
    lens: Lens,
    questions: Sequence[Question],
    conditions: Sequence[Condition],
    store: RunStore,
    *,
    benchmark: str,
    measurement: Measurement | None = None,
    batch_size: int = BATCH_SIZE,
) -> Summary:
    """Answers every question under every condition and stores one row for each, in this process.

    The baseline pass doubles as the diagnostic one. Rows that the store has already are not computed again;
    after an interruption the same call finishes the run. An image that cannot be read gives failed rows with
    the reason, and the run goes on; failed rows are tried again by the next call.

    Args:
        lens: The model.
        questions: What to ask; pairs of image and text must be distinct.
        conditions: Methods and settings; names must be distinct.
        store: Where rows go.
        benchmark: Name of the question set in the rows.
        measurement: How answers are taken; by default yes or no.
        batch_size: Samples per pass; halved when memory runs out.

    Returns:
        Counts, failures and time.

    Raises:
        DataError: If conditions share a name.
        ConfigError: If settings do not fit the model.
    """
    started = time.monotonic()
    planned = len(questions) * len(conditions)
    with tqdm(total=planned, desc=benchmark, unit="row", mininterval=1) as bar:
        chunks = whole_image_chunks(questions, batch_size)
        tally = run_chunks(
            lens,
            chunks,
            conditions,
            store,
            benchmark=benchmark,
            measurement=measurement or YesNoAnswers(),
            progress=bar.update,
        )
    return Summary.of(planned, tally, started)


def run_chunks(
    lens: Lens,
    chunks: Sequence[Chunk],
    conditions: Sequence[Condition],
    store: RunStore,
    *,
    benchmark: str,
    measurement: Measurement,
    progress: Callable[[int], object],
) -> Tally:
    """Does the work of `run_questions` on chunks already cut.

    Args:
        lens: The model.
        chunks: Questions, batch by batch.
        conditions: Methods and settings.
        store: Where rows go; after every chunk all its rows are on disk.
        benchmark: Name of the question set in the rows.
        measurement: How answers are taken.
        progress: Called with the number of rows after every chunk.

    Returns:
        What was added.
    """
    identity = RowIdentity(lens, conditions, measurement)
    writer = _Writer(lens, store, benchmark, identity, measurement)
    for chunk in chunks:
        writer.run([job for question in chunk if (job := writer.job(question)) is not None])
        progress(len(chunk) * len(conditions))
    return writer.tally


class _Writer:
    """Turns jobs into rows of one store."""

    def __init__(
        self,
        lens: Lens,
        store: RunStore,
        benchmark: str,
        identity: RowIdentity,
        measurement: Measurement,
    ) -> None:
        self.lens = lens
        self.store = store
        self.benchmark = benchmark
        self.identity = identity
        self.conditions = identity.conditions
        self.measurement = measurement
        self.tally = Tally()
        self._done = set(store.completed_keys(include_failed=False))
        self._known = set(store.completed_keys())
        self._images: dict[Path, tuple[Image.Image, str]] = {}

    def job(self, question: Question) -> _Job | None:
        """Reads the image of a question; None if nothing is left to do or the image is unusable."""
        try:
            image, sha256 = self._image(question)
            sample = Sample(image, question=question.text, image_id=question.image_id)
        except DataError as error:
            missing = missing_image_digest(question.image_id)
            self._fail(question, str(error), missing, question.text, [c.name for c in self.conditions])
            return None
        prompt = self.identity.prompt(question.text)
        keys = {c.name: self.identity.key(sha256, prompt, c) for c in self.conditions}
        pending = frozenset(name for name, key in keys.items() if key not in self._done)
        self._done.update(keys.values())  # a copy of the picture under another name is the same measurement
        return _Job(question, sample, sha256, prompt, pending) if pending else None

    def run(self, jobs: Sequence[_Job]) -> None:
        """Runs the pending conditions of a batch, in halves if memory runs out or a sample does not fit."""
        if not jobs:
            return
        try:
            rows = self._rows(jobs)
        except torch.OutOfMemoryError:
            if len(jobs) == 1:
                raise
            logger.warning("out of memory with %d samples; going on with half", len(jobs))
            torch.cuda.empty_cache()
        except (DataError, LayoutError) as error:
            if len(jobs) == 1:
                job = jobs[0]
                self._fail(job.question, str(error), job.image_sha256, job.prompt, sorted(job.pending))
                return
        else:
            self._store(rows)
            return
        self.run(jobs[: len(jobs) // 2])
        self.run(jobs[len(jobs) // 2 :])

    def _rows(self, jobs: Sequence[_Job]) -> list[Row]:
        batch = encode_images(self.lens, self.lens.prepare([job.sample for job in jobs]))
        keys = tuple(f"{job.image_sha256}/{job.prompt}" for job in jobs)
        capture = diagnostic_capture(self.lens, diagnostic_of(self.conditions))
        started = time.monotonic()
        baseline = baseline_pass(self.lens, batch, keys, capture)
        passed = time.monotonic() - started
        wanted = [c for c in self.conditions if any(c.name in job.pending for job in jobs)]
        effects = [self._effect(condition, batch) for condition in wanted]
        answered: dict[Hashable, Answered] = {}
        rows: list[Row] = []
        for number, (condition, effect) in enumerate(zip(wanted, effects, strict=True)):
            found = answered.pop(effect, None) or answer(baseline, condition, self.measurement, passed)
            if effect in effects[number + 1 :]:
                answered[effect] = found
            rows += self._condition_rows(jobs, condition, found)
        return rows

    def _effect(self, condition: Condition, batch: Batch) -> Hashable:
        """Conditions of one effect are run once, such as settings chosen on other images and the paper's."""
        sizes = (layout.grid.size for layout in batch.layouts)
        return condition.effect(sizes, self.lens.n_layers, self.lens.model_type)

    def _condition_rows(self, jobs: Sequence[_Job], condition: Condition, found: Answered) -> list[Row]:
        return [
            {**self.identity.cells(job.image_sha256, job.prompt, condition), **asked(job.question)}
            | {"benchmark": self.benchmark, "wall_ms": found.seconds * 1e3 / len(jobs)}
            | {**planned(plan), **measured(sample, cells)}
            for job, sample, plan, cells in zip(jobs, found.samples, found.plans, found.cells, strict=True)
            if condition.name in job.pending
        ]

    def _store(self, rows: list[Row]) -> None:
        """Appends rows; those that the store refuses, for instance infinite maps, become failed ones."""
        try:
            self.store.append(self._new(rows))
        except DataError:
            rows = [accepted(row) for row in rows]
            self.store.append(self._new(rows))
        failed = [row for row in rows if row["status"] == "failed"]
        reasons = {row["image_id"]: row["error"] for row in failed}
        self.tally += Tally(len(rows) - len(failed), len(failed), reasons)

    def _new(self, rows: list[Row]) -> list[Row]:
        """Rows without the failures that are on record."""
        return [row for row in rows if row["status"] == "ok" or row_key(row) not in self._known]

    def _image(self, question: Question) -> tuple[Image.Image, str]:
        """The image and the hash of its file; the last few are kept, questions come image by image."""
        if question.image not in self._images:
            while len(self._images) >= _KEPT_IMAGES:
                self._images.pop(next(iter(self._images)))
            self._images[question.image] = read_image(question.image)
            self.store.check_image(self.benchmark, question.image_id, self._images[question.image][1])
        return self._images[question.image]

    def _fail(self, question: Question, reason: str, sha256: str, prompt: str, names: Sequence[str]) -> None:
        """Stores a failed row for each condition of a question, unless it is stored already."""
        rows = [
            {**self.identity.cells(sha256, prompt, condition), **asked(question)}
            | {"benchmark": self.benchmark, "status": "failed", "error": reason}
            for condition in self.conditions
            if condition.name in names
        ]
        new = self._new(rows)
        self._known.update(row_key(row) for row in new)
        self.store.append(new)
        self.tally += Tally(0, len(new), {question.image_id: reason})
