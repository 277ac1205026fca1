"""Figures on disk: PNG, PDF and the numbers behind them, the same bytes whenever nothing changed."""

import io
import re
from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scr_lens.errors import ConfigError
from scr_lens.figures.style import DPI, house_style
from scr_lens.figures.table_text import to_csv
from scr_lens.store.atomic import write_bytes

_NO_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


def save(
    figure: Figure, folder: str | Path, name: str, table: pd.DataFrame | None = None
) -> tuple[Path, ...]:
    """Write a figure as PNG and PDF, and its numbers as CSV.

    Each file is written whole or not at all; the bytes hold no date, no machine and no version.

    Args:
        figure: The figure.
        folder: Target folder; it is created.
        name: File name without its ending: letters, digits, "-", "_" and ".".
        table: The numbers behind the figure.

    Returns:
        Paths of the PNG, the PDF and, with a table, the CSV.

    Raises:
        ConfigError: If the name is not a plain file name or the folder cannot be created.
        OSError: If the disk is full or not writable.
    """
    _require_plain(name)
    contents = {ending: render(figure, ending) for ending in _NO_METADATA}
    if table is not None:
        contents["csv"] = to_csv(table).encode()
    return tuple(write_figure_file(folder, f"{name}.{ending}", data) for ending, data in contents.items())


def write_figure_file(folder: str | Path, name: str, content: bytes) -> Path:
    """Write one file of a set of figures atomically.

    Args:
        folder: Target folder; it is created.
        name: File name.
        content: The whole file.

    Returns:
        Path of the file.

    Raises:
        ConfigError: If the name is not a plain file name or the folder cannot be created.
    """
    _require_plain(name)
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot create the folder {target} ({error.strerror}); give a folder that can be written"
        ) from error
    write_bytes(target / name, content)
    return target / name


def _require_plain(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError(
            f"figure name {name!r} is not a plain file name; use letters, digits, '-', '_' and '.' only"
        )


def render(figure: Figure, ending: str) -> bytes:
    """Turn a figure into the bytes of a file, without date, machine or version.

    Args:
        figure: The figure.
        ending: "png" or "pdf".

    Returns:
        The file's bytes; the same for the same figure.
    """
    buffer = io.BytesIO()
    with house_style():
        if ending == "png":
            FigureCanvasAgg(figure)
        figure.savefig(buffer, format=ending, dpi=DPI, metadata=_NO_METADATA[ending])
    return buffer.getvalue()
