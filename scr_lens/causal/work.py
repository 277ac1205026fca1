"""The loop of every causal test: units that are not done yet, one after the other, with progress."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pandas as pd
from tqdm.auto import tqdm

from scr_lens.causal.asked import Asked
from scr_lens.causal.ledger import Ledger, provenance, unit_key
from scr_lens.chunks import whole_image_chunks
from scr_lens.config import ScrConfig
from scr_lens.errors import DataError
from scr_lens.questions import Question
from scr_lens.serialization import to_dict
from scr_lens.trace import Lens

T = TypeVar("T")
Rows = list[dict[str, Any]]


class BatchSettings(Protocol):
    """Settings of a test that asks all questions of some images in batches."""

    @property
    def n_images(self) -> int:
        """Images."""

    @property
    def batch_size(self) -> int:
        """Questions per pass."""

    @property
    def scr(self) -> ScrConfig:
        """Settings of the methods."""


S = TypeVar("S", bound=BatchSettings)


def run_units(
    lens: Lens,
    run: str | Path,
    test: str,
    units: Mapping[str, T],
    measure: Callable[[T], Rows],
    *,
    settings: Any,
    seeds: Mapping[str, int],
) -> pd.DataFrame:
    """Measure what a ledger does not hold yet.

    Args:
        lens: The model.
        run: Folder of all causal tests of the model.
        test: Name of the test.
        units: Work by key, in order.
        measure: Turns a unit into records.
        settings: Settings of the test, a dataclass.
        seeds: Every seed by its purpose.

    Returns:
        The records of all units.

    Raises:
        DataError: If there is nothing to ask.
        StoreError: If the folder holds records of another model or of other settings.
    """
    if not units:
        raise DataError(f"the {test} test has nothing to ask; give questions about at least one image")
    about = provenance(lens, to_dict(settings), seeds)
    with Ledger(run, test, about) as ledger, tqdm(total=len(units), desc=test, unit="batch") as bar:
        bar.update(sum(key in ledger.done for key in units))
        for key, unit in units.items():
            if key not in ledger.done:
                ledger.append(key, measure(unit))
                bar.update()
        return ledger.finish(list(units))


def run_batches(
    lens: Lens,
    asked: Asked,
    run: str | Path,
    test: str,
    settings: S,
    measure: Callable[[Lens, Sequence[Question], S], Rows],
) -> pd.DataFrame:
    """Measure all questions of the test's images, batch by batch, as far as a ledger does not hold them.

    Args:
        lens: The model.
        asked: Questions.
        run: Folder of all causal tests of the model.
        test: Name of the test; it also decides which images are drawn.
        settings: Settings of the test, a dataclass.
        measure: Turns a batch of questions into records.

    Returns:
        The records of all questions.

    Raises:
        DataError: If there is nothing to ask.
        StoreError: If the folder holds records of another model or of other settings.
    """
    questions = asked.images(settings.n_images, test)
    return run_units(
        lens,
        run,
        test,
        question_units(whole_image_chunks(questions, settings.batch_size)),
        lambda unit: measure(lens, unit, settings),
        settings=settings,
        seeds={"draw": asked.seed, "scr": settings.scr.seed},
    )


def question_units(chunks: Sequence[Sequence[Question]]) -> dict[str, Sequence[Question]]:
    """Chunks of questions by key.

    Args:
        chunks: Questions that are asked together.

    Returns:
        The chunks in the same order.
    """
    return {unit_key(*(f"{q.image_id}/{q.text}" for q in chunk)): chunk for chunk in chunks}
