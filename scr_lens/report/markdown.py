"""Reports as Markdown, with pictures as files next to them."""

from __future__ import annotations

import re

from scr_lens.report.document import Bullets, Document, Heading, Link, Paragraph, Part, Picture, TextTable

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def to_markdown(document: Document) -> str:
    """Write a report as Markdown.

    Args:
        document: The report.

    Returns:
        Text ending in a line break; every text is escaped, so that nothing in it is read as markup.
    """
    parts = [f"# {escaped(document.title)}", *(_part(part) for part in document.parts)]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Escape what Markdown or HTML would read as markup; line breaks become spaces.

    Args:
        text: Any text.

    Returns:
        One line.
    """
    plain = " ".join(text.split())
    return _SPECIAL.sub(r"\\\1", plain).replace("&", "&amp;")


def _part(part: Part) -> str:
    match part:
        case Heading():
            return f"{'#' * part.level} {escaped(part.text)}"
        case Paragraph():
            return escaped(part.text)
        case Bullets():
            return "\n".join(f"- {escaped(item)}" for item in part.items)
        case TextTable():
            return _table(part)
        case Picture():
            return f"![{escaped(part.caption)}]({part.name})"
        case Link():
            return f"[{escaped(part.text)}]({part.target}.md)"


def _table(table: TextTable) -> str:
    columns = [str(name) for name in table.cells.columns]
    rule = ["---:" if name in table.numeric else "---" for name in columns]
    rows = [list(map(escaped, columns)), rule]
    rows += [[escaped(str(cell)) for cell in row] for row in table.cells.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
