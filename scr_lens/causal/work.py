"""The loop of every causal test: units that are not done yet, one after the other, with progress."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from tqdm.auto import tqdm

from scr_lens.causal.ledger import Ledger, provenance, unit_key
from scr_lens.errors import DataError
from scr_lens.questions import Question
from scr_lens.serialization import to_dict
from scr_lens.trace import Lens

T = TypeVar("T")
Rows = list[dict[str, Any]]


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


def question_units(chunks: Sequence[Sequence[Question]]) -> dict[str, Sequence[Question]]:
    """Chunks of questions by key.

    Args:
        chunks: Questions that are asked together.

    Returns:
        The chunks in the same order.
    """
    return {unit_key(*(f"{q.image_id}/{q.text}" for q in chunk)): chunk for chunk in chunks}
