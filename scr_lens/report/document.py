"""A report as plain parts, which every renderer writes in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Heading:
    """A heading.

    Attributes:
        text: The words.
        level: 1 for the title, 2 for a section, 3 below.
    """

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of plain texts."""

    items: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TextTable:
    """A table of texts.

    Attributes:
        cells: One column per heading; every cell is text.
        numeric: Columns that are set to the right.
    """

    cells: pd.DataFrame
    numeric: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture.

    Attributes:
        name: File name, relative to the report.
        png: Its bytes.
        caption: What it shows.
    """

    name: str
    png: bytes
    caption: str


@dataclass(frozen=True)
class Link:
    """A line that leads to another file of the report.

    Attributes:
        text: The words.
        target: Relative path without its ending; every renderer adds its own.
    """

    text: str
    target: str


Part = Heading | Paragraph | Bullets | TextTable | Picture | Link


@dataclass(frozen=True, eq=False)
class Document:
    """A report.

    Attributes:
        title: Its title.
        parts: Everything in it, in order.
    """

    title: str
    parts: tuple[Part, ...]

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All pictures, in order."""
        return tuple(part for part in self.parts if isinstance(part, Picture))


def table_of(rows: Sequence[Sequence[object]], columns: Sequence[str], *numeric: str) -> TextTable:
    """A table from rows of cells.

    Args:
        rows: Cells; they are turned into text.
        columns: Headings.
        *numeric: Headings of columns set to the right.

    Returns:
        The table.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    return TextTable(pd.DataFrame(cells, columns=list(columns)), numeric)
