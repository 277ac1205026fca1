"""The viewer's JavaScript and style sheet: one module made of the files in `static`."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

MODULES = (
    "decode",
    "colors",
    "dom",
    "data",
    "stage",
    "panels",
    "controls",
    "detail",
    "filters",
    "gallery",
    "app",
)
"""The module's parts, each after those it imports from."""

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./[a-z]+\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|class)", re.MULTILINE)


@cache
def script() -> str:
    """The viewer as one ES module.

    The parts are ES modules themselves. A page opened from disk cannot load modules, and a widget takes a
    single one; so imports among the parts are dropped and the parts follow each other.

    Returns:
        A module that exports `render` for widgets and `mount` for pages.
    """
    parts = [_EXPORT.sub("", _IMPORT.sub("", _read(f"{name}.js"))) for name in MODULES]
    return "\n".join([*parts, "export { mount };\nexport default { render };\n"])


@cache
def style() -> str:
    """The viewer's style sheet."""
    return _read("viewer.css")


def _read(name: str) -> str:
    return files("scr_lens.viewer").joinpath("static", name).read_text(encoding="utf-8")
