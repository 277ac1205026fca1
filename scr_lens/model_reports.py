"""Experiments and reports of several models: one after the other, or side by side in processes."""

from __future__ import annotations

import contextlib
import io
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from scr_lens.errors import ConfigError, ScrLensError
from scr_lens.execute import available_cores
from scr_lens.experiment import Plan, carry_out
from scr_lens.models import caveat, load
from scr_lens.processes import Errand, Line, run_errands
from scr_lens.report import Reported, write_report
from scr_lens.trace import Lens

logger = logging.getLogger(__name__)

_SECONDS = 1.0
"""Between two states of a bar that are told."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is done for every model.

    Attributes:
        out: Folder that gets a folder with the report of each model.
        runs: Folder of the experiments.
        world: Folder of rendered scenes, shared by all models.
        plan: Sizes of the experiment; the full one if None.
    """

    out: Path
    runs: Path = Path("runs")
    world: Path = Path("data/world")
    plan: Plan | None = None


@dataclass(frozen=True, kw_only=True)
class ModelReport:
    """The report of one model.

    Attributes:
        name: The model's name without its folder or owner.
        page: The report as a page.
        reported: What it says, for the report across models.
        note: What a reader of this model's answers has to know.
    """

    name: str
    page: Path
    reported: Reported
    note: str


def report_models(
    models: Sequence[str],
    order: Order,
    *,
    jobs: int = 1,
    say: Callable[[str], object] = logger.info,
    show: Callable[[str, str], object] | None = None,
) -> Iterator[ModelReport]:
    """Run what is missing on every model and write its report.

    Several models are worked on side by side with more than one job, each in a process of its own, the
    largest first, and the next one starts when one is done; when fewer models than jobs are left, runs of
    rows are divided among the processes that are free, as they are for a single model. What is stored does
    not depend on jobs.

    Args:
        models: Organisms, checkpoint folders or hub names; one given twice counts once.
        order: What is done.
        jobs: Most processes.
        say: Gets a line whenever a model comes to another part.
        show: Gets a model's name and its progress bar as text, about once a second, where several are worked
            on side by side; alone, a model draws its bars itself.

    Yields:
        The reports, in the order of the models.

    Raises:
        ConfigError: If two models have the same name, which names their folders.
        DataError: If one of several models cannot be loaded; that is known before any work starts.
        ScrLensError: The error of the first model that failed; the others are stopped then, and what was
            stored is kept.
    """
    models = tuple(dict.fromkeys(models))
    _require_distinct(models)
    sizes = {model: _n_parameters(model) for model in models} if len(models) > 1 else {}
    if jobs > 1 and len(models) > 1:
        # The largest take longest: begun last, one would be left alone with a single process for its end.
        begun = sorted(models, key=sizes.__getitem__, reverse=True)
        made = dict(zip(begun, _side_by_side(begun, order, jobs, say, show), strict=True))
        yield from map(made.__getitem__, models)
        return
    for model in models:
        say(f"{model}: running what is missing")
        yield _report(model, load(model), order, jobs, logger.info)


def _require_distinct(models: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for model in models:
        other = first.setdefault(_name(model), model)
        if other != model:
            raise ConfigError(
                f"models {other!r} and {model!r} would both report to a folder {_name(model)!r}; give one of "
                "them, or call the command for each with its own --runs and --out"
            )


def _n_parameters(model: str) -> int:
    return sum(parameter.numel() for parameter in load(model, device="cpu").hf_model.parameters())


def _name(model: str) -> str:
    return Path(model).name


def _side_by_side(
    models: Sequence[str],
    order: Order,
    jobs: int,
    say: Callable[[str], object],
    show: Callable[[str, str], object] | None,
) -> list[ModelReport]:
    processes = min(jobs, len(models))
    errands = [
        Errand(
            name=f"the process of {model!r}",
            body=_alone,
            arguments=(model, number, order),
            threads=max(1, available_cores() // processes),
        )
        for number, model in enumerate(models)
    ]

    def hear(number: int, told: str | _Bar) -> None:
        name = _name(models[number])
        if not isinstance(told, _Bar):
            say(f"{name}: {told}")
        elif show is not None:
            show(name, told.text)

    return run_errands(errands, hear, processes=jobs)


def _alone(line: Line, model: str, number: int, order: Order) -> ModelReport:
    """One model in a process of its own, which tells lines instead of drawing bars over those of others."""
    logging.captureWarnings(True)
    try:
        with contextlib.redirect_stderr(_Bars(line.tell)):
            made = _report(model, load(model, device=_device(number)), order, line.share, line.tell)
    except ScrLensError as error:
        kept = "what was stored is kept, the other models were stopped"
        raise type(error)(f"{_name(model)}: {error} ({kept})") from error
    line.tell("done")
    return made


@dataclass(frozen=True)
class _Bar:
    """A progress bar as it is drawn."""

    text: str


class _Bars(io.TextIOBase):
    """A stream that tells the newest progress bar written to it, about once a second, and keeps nothing."""

    def __init__(self, tell: Callable[[_Bar], object]) -> None:
        """Start with nothing told."""
        self._tell, self._told = tell, -np.inf

    def write(self, text: str, /) -> int:
        """Take any text; bars redraw their line, so that what comes last counts."""
        bar, now = text.rpartition("\r")[2].strip(), time.monotonic()
        if bar and now - self._told >= _SECONDS:
            self._tell(_Bar(bar))
            self._told = now
        return len(text)


def _device(number: int) -> str | None:
    """GPUs take turns; None leaves the choice to the model."""
    return f"cuda:{number % torch.cuda.device_count()}" if torch.cuda.is_available() else None


def _report(
    model: str, lens: Lens, order: Order, jobs: int | Callable[[], int], tell: Callable[[str], object]
) -> ModelReport:
    folder = carry_out(model, order.runs, order.plan, world=order.world, jobs=jobs, lens=lens, tell=tell)
    tell("report")
    target, note = order.out / _name(model), caveat(lens)
    reported = write_report(folder, target, note=note)
    return ModelReport(name=_name(model), page=target / "report.html", reported=reported, note=note)
