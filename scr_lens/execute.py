"""A whole run from its settings: model, questions, store, processes."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from scr_lens.chunks import WHOLE, Chunk, Shard, chunk_size, whole_image_chunks
from scr_lens.errors import ConfigError
from scr_lens.freed_memory import keep_freed_memory
from scr_lens.pictures import file_digest
from scr_lens.row_identity import RowIdentity
from scr_lens.run import run_chunks
from scr_lens.run_config import RunConfig
from scr_lens.store import RunStore
from scr_lens.tally import Summary, Tally
from scr_lens.tasks import for_model
from scr_lens.trace import Lens
from scr_lens.trace.device import find_device
from scr_lens.workers import Work, run_workers

LEAST_CHUNKS = 4
"""Chunks that make a process of its own worth its start, which takes seconds."""

LEAST_TEXT_CHUNKS = 2
"""The same where answers are texts."""


def execute(
    config: RunConfig,
    run: str | Path,
    *,
    jobs: int = 1,
    shard: Shard | None = None,
    lens: Lens | None = None,
) -> Summary:
    """Runs what a run's settings say, or the part of it that is not stored yet.

    The rows do not depend on jobs or shards; any number of processes and machines may work on one run
    directory, each on its own shard.

    Args:
        config: Settings.
        run: Run directory; made if missing, gone on with if it is of the same settings and model.
        jobs: Most processes on this machine, each with its own copy of the model; on several GPUs each takes
            the next one, and fewer are started for little work.
        shard: The part to run; None runs everything.
        lens: The model of the settings, if it is loaded already.

    Returns:
        Counts, failures and time, of this shard.

    Raises:
        ConfigError: If jobs is below 1 or settings do not fit the model.
        DataError: If a file of the benchmark is missing or malformed.
        StoreError: If the directory holds another run, or the shard is being run by another process.
        ScrLensError: If a worker died.
    """
    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}; give at least 1")
    if jobs > 1 and config.device_map:
        raise ConfigError(
            f"jobs is {jobs} and device_map {config.device_map!r}: a spread model runs in one process; "
            "give jobs 1, or a shard to each machine"
        )
    started = time.monotonic()
    keep_freed_memory()
    part = shard or WHOLE
    lens = lens or config.load(None if jobs == 1 else "cpu")
    config = replace(config, benchmark=for_model(config.benchmark, lens))
    size = chunk_size(config.batch_size, texts=not config.benchmark.measurement.reads_pass)
    chunks = part.of(whole_image_chunks(config.benchmark.questions(config.seed), size))
    planned = sum(map(len, chunks)) * len(config.conditions)
    identity = {**config.identity(), "model_revision": lens.revision}
    device = f"device_map {config.device_map}" if config.device_map else describe_device(config.device)
    with (
        RunStore.create(
            run, config=identity, seeds=config.seeds(), device=device, writer=part.writer, exist_ok=True
        ) as store,
        tqdm(total=planned, desc=config.benchmark.name, unit="row", mininterval=1) as bar,
    ):
        runner = _here if jobs == 1 else _in_processes
        tally = runner(config, lens, chunks, store, jobs, bar)
    return Summary.of(planned, tally, started)


def available_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_device(device: str | None) -> str:
    """A device in words, for run.json: "cpu", or the name of the GPU."""
    chosen = find_device(device)
    return f"{chosen} ({torch.cuda.get_device_name(chosen)})" if chosen.startswith("cuda") else chosen


def pending_chunks(config: RunConfig, lens: Lens, chunks: Sequence[Chunk], store: RunStore) -> list[Chunk]:
    """The chunks that have a row which is not stored as ok.

    Args:
        config: Settings of the run.
        lens: The model; only its identity is used.
        chunks: All chunks.
        store: What there is.

    Returns:
        Chunks in the same order.
    """
    identity = RowIdentity(lens, config.conditions, config.benchmark.measurement)
    done = store.completed_keys(include_failed=False)
    digests: dict[Path, str] = {}

    def is_pending(chunk: Chunk) -> bool:
        return any(
            identity.key(sha256, identity.prompt(question.text), condition) not in done
            for question in chunk
            for sha256 in (digests.setdefault(question.image, file_digest(question.image)),)
            for condition in config.conditions
        )

    return [chunk for chunk in chunks if is_pending(chunk)]


def _here(
    config: RunConfig, lens: Lens, chunks: Sequence[Chunk], store: RunStore, jobs: int, bar: tqdm[Any]
) -> Tally:
    del jobs
    return run_chunks(
        lens,
        chunks,
        config.conditions,
        store,
        benchmark=config.benchmark.name,
        measurement=config.benchmark.measurement,
        progress=bar.update,
    )


def _in_processes(
    config: RunConfig, lens: Lens, chunks: Sequence[Chunk], store: RunStore, jobs: int, bar: tqdm[Any]
) -> Tally:
    """Divides what is left among processes; does it here if it is little."""
    pending = pending_chunks(config, lens, chunks, store)
    bar.update((sum(map(len, chunks)) - sum(map(len, pending))) * len(config.conditions))
    bar.unpause()  # the rate counts from here
    least = LEAST_CHUNKS if config.benchmark.measurement.reads_pass else LEAST_TEXT_CHUNKS
    jobs = min(jobs, len(pending) // least)
    if jobs <= 1:
        return _here(config, _placed(config, lens) if pending else lens, pending, store, 1, bar)
    works = [
        Work(
            config=replace(config, device=_device(config.device, index)),
            run=store.path,
            writer=f"{store.writer}.{index + 1}",
            chunks=tuple(Shard(index + 1, jobs).of(pending)),
            threads=max(1, min(available_cores(), torch.get_num_threads()) // jobs),
        )
        for index in range(jobs)
    ]
    return run_workers(works, bar.update)


def _placed(config: RunConfig, lens: Lens) -> Lens:
    """The lens on the device of the settings."""
    wanted = find_device(config.device)
    fits = torch.device(wanted).type == lens.device.type
    return lens if fits else config.load(wanted)


def _device(device: str | None, index: int) -> str | None:
    """The device of a worker: the next GPU where the settings leave it open which."""
    if device not in (None, "cuda") or not torch.cuda.is_available():
        return device
    return f"cuda:{index % torch.cuda.device_count()}"
