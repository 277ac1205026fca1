"""Runs: plan minus what is stored, in batches, into the store."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tqdm.auto import tqdm

from scr_lens.analysis.entropy import credit_entropy
from scr_lens.comparison import baseline_pass, diagnostic_capture, treated_pass, treatment
from scr_lens.errors import DataError, ScrLensError
from scr_lens.interventions import Redistribution
from scr_lens.pictures import read_image
from scr_lens.questions import Condition, Question
from scr_lens.serialization import digest
from scr_lens.store import RunStore, missing_image_digest, row_key
from scr_lens.trace import Lens, Sample, SampleRecord, encode_images

logger = logging.getLogger(__name__)

BATCH_SIZE = 48
"""Samples per forward pass, unless memory asks for fewer."""


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        planned: Rows of the plan.
        stored_before: Rows that were there already.
        done: Rows added.
        failed: Reason of each failed row added, by image.
        seconds: Wall time of this call.
    """

    planned: int
    stored_before: int
    done: int
    failed: dict[str, str]
    seconds: float


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
    batch_size: int = BATCH_SIZE,
) -> Summary:
    """Answers every question under every condition and stores one row for each.

    The baseline pass doubles as the diagnostic one. Rows that the store has already are not computed again;
    after an interruption the same call finishes the run. An image that cannot be read gives failed rows with
    the reason, and the run goes on.

    Args:
        lens: The model.
        questions: What to ask; pairs of image and text must be distinct.
        conditions: Methods and settings; names must be distinct.
        store: Where rows go.
        benchmark: Name of the question set in the rows.
        batch_size: Samples per pass; halved when memory runs out.

    Returns:
        Counts, failures and time.

    Raises:
        DataError: If conditions share a name.
        ConfigError: If settings do not fit the model.
    """
    started = time.monotonic()
    if len({condition.name for condition in conditions}) != len(conditions):
        raise DataError(f"conditions {[c.name for c in conditions]}: names must differ; rename one")
    writer = _Writer(lens, store, benchmark, tuple(conditions))
    planned = len(questions) * len(conditions)
    with tqdm(total=planned, desc=benchmark, unit="row", mininterval=1) as bar:
        for chunk in _chunks(lens, questions, batch_size):
            jobs = [job for question in chunk if (job := writer.job(question)) is not None]
            writer.run(jobs)
            bar.update(len(chunk) * len(conditions))
    return Summary(
        planned,
        planned - writer.done - len(writer.failed_rows),
        writer.done,
        writer.failures,
        time.monotonic() - started,
    )


def _chunks(lens: Lens, questions: Sequence[Question], size: int) -> Iterable[Sequence[Question]]:
    """Batches of questions of one length, which need no padding, and within it image by image."""

    @cache
    def n_tokens(text: str) -> int:
        return len(lens.processor.tokenizer(lens.family.prompt(lens.processor, text)).input_ids)

    ordered = sorted(questions, key=lambda q: (n_tokens(q.text), q.image_id, q.object))
    return (ordered[start : start + size] for start in range(0, len(ordered), size))


class _Writer:
    """Turns jobs into rows of one store."""

    def __init__(
        self, lens: Lens, store: RunStore, benchmark: str, conditions: tuple[Condition, ...]
    ) -> None:
        self.lens = lens
        self.store = store
        self.benchmark = benchmark
        self.conditions = conditions
        self.completed = set(store.completed_keys())
        self.done = 0
        self.failed_rows: list[str] = []
        self.failures: dict[str, str] = {}
        self._images: dict[Path, tuple[Image.Image, str]] = {}
        self._model = {
            "model_id": lens.model_id,
            "model_revision": lens.revision,
            "processor_digest": lens.processor_digest,
            "dtype": lens.dtype,
            "attn_implementation": lens.attn_implementation,
        }
        self._digests = {condition.name: digest(condition) for condition in conditions}

    def job(self, question: Question) -> _Job | None:
        """Reads the image of a question; None if nothing is left to do or the image is unusable."""
        try:
            image, sha256 = self._image(question)
            sample = Sample(image, question=question.text, image_id=question.image_id)
        except DataError as error:
            self._fail(question, str(error))
            return None
        prompt = self.lens.family.prompt(self.lens.processor, question.text)
        job = _Job(question, sample, sha256, prompt, frozenset())
        pending = frozenset(
            c.name for c in self.conditions if row_key(self._identity(job, c)) not in self.completed
        )
        return _Job(question, sample, sha256, prompt, pending) if pending else None

    def run(self, jobs: Sequence[_Job]) -> None:
        """Runs the pending conditions of a batch, in halves if memory runs out."""
        if not jobs:
            return
        try:
            rows = self._rows(jobs)
        except torch.OutOfMemoryError:
            if len(jobs) == 1:
                raise
            logger.warning("out of memory with %d samples; going on with half", len(jobs))
            torch.cuda.empty_cache()
            self.run(jobs[: len(jobs) // 2])
            self.run(jobs[len(jobs) // 2 :])
            return
        self.store.append(rows)
        self.done += len(rows)

    def _rows(self, jobs: Sequence[_Job]) -> list[dict[str, Any]]:
        batch = encode_images(self.lens, self.lens.prepare([job.sample for job in jobs]))
        keys = tuple(f"{job.image_sha256}/{job.prompt}" for job in jobs)
        capture = diagnostic_capture(self.lens, self.conditions[0].config.diagnostic)
        started = time.monotonic()
        baseline = baseline_pass(self.lens, batch, keys, capture)
        baseline_ms = (time.monotonic() - started) * 1e3
        rows: list[dict[str, Any]] = []
        for condition in self.conditions:
            if not any(condition.name in job.pending for job in jobs):
                continue
            started = time.monotonic()
            intervention = treatment(baseline, condition.method, condition.config)
            untouched = intervention.layers is None
            record = baseline.record if untouched else treated_pass(baseline, intervention, capture)
            ms = (baseline_ms if untouched else (time.monotonic() - started) * 1e3) / len(jobs)
            plans = intervention.plans if isinstance(intervention, Redistribution) else (None,) * len(jobs)
            rows += [
                {**self._identity(job, condition), **_asked(job.question), **_plan(plan)}
                | {"benchmark": self.benchmark, "status": "ok", "wall_ms": ms}
                | _measured(sample, self.lens)
                for job, sample, plan in zip(jobs, record.samples, plans, strict=True)
                if condition.name in job.pending
            ]
        return rows

    def _identity(self, job: _Job, condition: Condition) -> dict[str, Any]:
        return {
            **self._model,
            "image_sha256": job.image_sha256,
            "prompt": job.prompt,
            "condition": condition.name,
            "config_digest": self._digests[condition.name],
            "config_json": json.dumps(condition.settings, sort_keys=True),
        }

    def _image(self, question: Question) -> tuple[Image.Image, str]:
        """The image and the hash of its file; the last few are kept, questions come image by image."""
        if question.image not in self._images:
            while len(self._images) > 64:
                self._images.pop(next(iter(self._images)))
            self._images[question.image] = read_image(question.image)
            self.store.check_image(self.benchmark, question.image_id, self._images[question.image][1])
        return self._images[question.image]

    def _fail(self, question: Question, reason: str) -> None:
        """Stores failed rows for all conditions of a question whose image cannot be used."""
        self.failures[question.image_id] = reason
        missing = missing_image_digest(question.image_id)
        rows = []
        for condition in self.conditions:
            job = _Job(question, None, missing, question.text, frozenset())  # type: ignore[arg-type]
            row = {**self._identity(job, condition), **_asked(question), "benchmark": self.benchmark}
            if row_key(row) not in self.completed:
                rows.append({**row, "status": "failed", "error": reason})
        self.store.append(rows)
        self.failed_rows += [reason] * len(rows)


def _asked(question: Question) -> dict[str, Any]:
    return {
        "image_id": question.image_id,
        "question": question.text,
        "object": question.object,
        "label": question.label,
        "splits": list(question.splits),
    }


def _plan(plan: Any) -> dict[str, Any]:
    if plan is None:
        return {}
    return {
        "sources": plan.sources.numpy(),
        "neighbors": plan.neighbors.numpy(),
        "neighbors_per_source": plan.neighbors_per_source,
    }


def _measured(record: SampleRecord, lens: Lens) -> dict[str, Any]:
    if record.resid_norm is None or record.attention is None:
        raise ScrLensError("a run captures norms and attention; this pass did not")
    answer, grid = record.yes_no(lens), record.layout.grid
    norms, attention = record.resid_norm.numpy(), record.attention.mean(0).numpy()
    return {
        "grid_h": grid.height,
        "grid_w": grid.width,
        "n_layers": len(norms),
        "answer": answer.answer,
        "p_yes": min(1.0, answer.p_yes),
        "p_no": min(1.0, answer.p_no),
        "attention": attention,
        "resid_norm": norms,
        "entropy_norm_nats": credit_entropy(norms, normalize=False),
        "entropy_attention_nats": float(credit_entropy(attention, normalize=False)),
    }
