"""The lines above a figure: title, facts and caveats, wrapped to the width and never read as formulas."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import FigureBase

from scr_lens.figures.style import ALERT, BODY_SIZE, INK
from scr_lens.figures.text import wrap

_TITLE_SIZE = 10.0
_LINE = 1.45
_MARGIN = 0.08
_SLACK = 0.93  # renderers that hint glyphs set text a few percent wider than its measure


@dataclass(frozen=True)
class HeaderLine:
    """One printed line.

    Attributes:
        text: The line, already wrapped.
        size: Font size in points.
        color: Color.
        weight: "bold" or "normal".
    """

    text: str
    size: float
    color: str = INK
    weight: str = "normal"

    @property
    def height(self) -> float:
        """Room of the line in inches."""
        return self.size * _LINE / 72


def header_lines(title: str, facts: Sequence[str], note: str, width: float) -> tuple[HeaderLine, ...]:
    """Wrap title, facts and note.

    Args:
        title: Name of what is shown.
        facts: Sentences under the title; each starts on a new line.
        note: Caveat that a reader must not miss; empty for none.
        width: Width of the figure in inches.

    Returns:
        The lines from top to bottom.
    """
    room = _SLACK * (width - 2 * _MARGIN)
    lines = [
        HeaderLine(line, _TITLE_SIZE, weight="bold")
        for line in wrap(title, room, _TITLE_SIZE, bold=True, max_lines=2)
    ]
    lines += [HeaderLine(line, BODY_SIZE) for fact in facts for line in wrap(fact, room, BODY_SIZE)]
    lines += [
        HeaderLine(line, BODY_SIZE, color=ALERT, weight="bold")
        for line in wrap(note, room, BODY_SIZE, bold=True)
    ]
    return tuple(lines)


def header_height(lines: Sequence[HeaderLine]) -> float:
    """Room of a header in inches, margins included."""
    return sum(line.height for line in lines) + 2 * _MARGIN


def draw_header(figure: FigureBase, lines: Sequence[HeaderLine], width: float) -> None:
    """Print the lines at the top left of a figure or of its part.

    Args:
        figure: The figure, or a part of it that is `header_height(lines)` inches high.
        lines: Wrapped lines.
        width: Width of the figure in inches.
    """
    total, top = header_height(lines), _MARGIN
    for line in lines:
        figure.text(
            _MARGIN / width,
            1 - top / total,
            line.text,
            fontsize=line.size,
            color=line.color,
            fontweight=line.weight,
            verticalalignment="top",
            parse_math=False,
        )
        top += line.height
