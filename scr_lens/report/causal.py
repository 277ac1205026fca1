"""The causal tests of an experiment folder, read and analyzed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scr_lens.causal import TESTS, Outcome, read_ledger
from scr_lens.causal.ledger import WHOLE
from scr_lens.errors import DataError
from scr_lens.evidence.evidence import CAUSAL
from scr_lens.figures.causal import CAUSAL_FIGURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class CausalPart:
    """One causal test of a report.

    Attributes:
        name: Name of the test.
        title: What it asks.
        outcome: What it found; None if it was not run or cannot be analyzed.
        missing: Why there is no outcome.
    """

    name: str
    title: str
    outcome: Outcome | None
    missing: str = ""

    def figures(self) -> dict[str, Figure]:
        """The figures of its results by name."""
        if self.outcome is None:
            return {}
        results: Mapping[str, object] = self.outcome.results
        return {
            f"causal-{self.name}-{key}" if key != self.name else f"causal-{key}": CAUSAL_FIGURES[key](result)
            for key, result in results.items()
            if key in CAUSAL_FIGURES
        }


def read_causal(folder: str | Path) -> tuple[CausalPart, ...]:
    """Analyze the causal tests that were run.

    Args:
        folder: Experiment folder.

    Returns:
        One part per test, in the order of the registry.

    Raises:
        StoreError: If records are damaged.
    """
    return tuple(_read(Path(folder) / CAUSAL, name) for name in TESTS)


def _read(folder: Path, name: str) -> CausalPart:
    test = TESTS[name]
    if not (folder / name / WHOLE).exists():
        state = "it was not finished" if (folder / name).exists() else "it was not run"
        return CausalPart(name, test.title, None, f"needs the causal test {name!r}: {state}")
    try:
        records: pd.DataFrame = read_ledger(folder, name)
        return CausalPart(name, test.title, test.analyze(records))
    except DataError as error:
        return CausalPart(name, test.title, None, str(error))
