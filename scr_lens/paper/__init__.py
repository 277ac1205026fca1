"""The numbers of the paper, so that every result table can print "paper | measured".

Source: "Beyond Dominant Patches: Spatial Credit Redistribution For Grounded Vision-Language Models",
arXiv 2602.22469v1. Tables 1-6 and the values stated in the text; units are those of the paper (percent,
percentage points, milliseconds). The first line of each file says what it holds. Numbers are transcribed, not
checked: see docs/paper-audit.md for what does not fit together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

import pandas as pd

from scr_lens.errors import DataError, unknown_name

TABLES = (1, 2, 3, 4, 5, 6)
MODELS = ("Chameleon-7B", "Chameleon-30B", "LLaVA-1.5-7B", "LLaVA-1.5-13B", "Qwen-VL", "Qwen2-VL-7B")


@dataclass(frozen=True)
class PaperData:
    """All transcribed numbers.

    Attributes:
        tables: Table number to its frame.
        stated: Name of a value stated in the text to the value.
    """

    tables: Mapping[int, pd.DataFrame]
    stated: Mapping[str, float]

    @property
    def pope_adversarial(self) -> pd.DataFrame:
        """Tables 1 and 2 together: all models and methods on POPE-Adversarial."""
        return pd.concat([self.tables[1], self.tables[2]], ignore_index=True)


def _read(name: str) -> pd.DataFrame:
    with resources.files(__package__).joinpath(f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, comment="#")


@cache
def load() -> PaperData:
    """Read all tables and stated values.

    Returns:
        The paper's numbers; read once, treat as read-only.
    """
    tables = {number: _read(f"table{number}") for number in TABLES}
    named = _read("stated")
    stated = dict(zip(named["name"], named["value"].astype(float), strict=True))
    return PaperData(MappingProxyType(tables), MappingProxyType(stated))


def table(number: int) -> pd.DataFrame:
    """A copy of one of the paper's tables.

    Args:
        number: 1 to 6.

    Returns:
        The table; plus-minus columns end in `_pm`.

    Raises:
        DataError: If there is no such table.
    """
    if number not in TABLES:
        raise DataError(f"table {number!r}: expected one of {list(TABLES)}")
    return load().tables[number].copy()


def value(number: int, column: str, **row: str) -> float:
    """One number of a table.

    Args:
        number: Table, 1 to 6. Table 1 is searched together with table 2.
        column: Column of the number, for example "hr".
        **row: Column and content that single out the row, for example model="Qwen-VL", method="SCR".

    Returns:
        The number; NaN where the paper leaves the cell empty.

    Raises:
        DataError: If the column is unknown or not exactly one row fits.
    """
    frame = load().pope_adversarial if number in (1, 2) else table(number)
    for name in (column, *row):
        if name not in frame.columns:
            raise DataError(unknown_name(f"column of table {number}", name, frame.columns))
    chosen = pd.Series(True, index=frame.index)
    for name, content in row.items():
        chosen &= frame[name] == content
    if chosen.sum() != 1:
        raise DataError(
            f"table {number} has {int(chosen.sum())} rows with {row}: expected exactly one; name more columns"
        )
    return float(frame.loc[chosen, column].item())


def stated(name: str) -> float:
    """A value stated in the paper's text.

    Args:
        name: Its name in `stated.csv`, for example "norm_credit_r".

    Returns:
        The value in the paper's unit.

    Raises:
        DataError: If no value has this name.
    """
    values = load().stated
    if name not in values:
        raise DataError(unknown_name("stated value", name, values))
    return values[name]
