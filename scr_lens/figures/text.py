"""Text that comes from outside (titles, prompts, names), made fit to print and wrapped to a width."""

from functools import cache

from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.textpath import text_to_path

_FAMILY = "DejaVu Sans"
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_LINE_BREAK = " \N{DOWNWARDS ARROW WITH CORNER LEFTWARDS} "
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def printable(text: str) -> str:
    """Replace what the font cannot draw.

    Args:
        text: Any text.

    Returns:
        The text on one line: line breaks become a bent arrow, runs of blanks one blank, and characters that
        are for control or not in the font a replacement sign. `$`, `_`, `<` and the like stay as they are.
    """
    joined = _LINE_BREAK.join(" ".join(line.split()) for line in text.strip().splitlines())
    glyphs = _known_glyphs()
    return "".join(c if ord(c) in glyphs and c.isprintable() else _UNKNOWN for c in joined)


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Measure a line of text.

    Args:
        text: The line, as returned by `printable`.
        size: Font size in points.
        bold: Whether it is set in bold.

    Returns:
        Its width in inches.
    """
    font = FontProperties(family=[_FAMILY], size=size, weight="bold" if bold else "normal")
    width: float = text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
    return width / 72


def wrap(text: str, width: float, size: float, *, bold: bool = False, max_lines: int = 6) -> list[str]:
    """Break a text into lines by its measured width.

    Args:
        text: Any text; it is made printable first.
        width: Width of a line in inches.
        size: Font size in points.
        bold: Whether it is set in bold.
        max_lines: Largest number of lines; a longer text ends in an ellipsis.

    Returns:
        Lines none of which is wider than `width`; [] for an empty text. A word too long for a line is cut.
    """
    lines: list[str] = []
    rest = printable(text)
    while rest:
        if len(lines) == max_lines:
            lines[-1] = _shortened(lines[-1], width, size, bold=bold)
            break
        line, rest = _first_line(rest, width, size, bold=bold)
        lines.append(line)
    return lines


def _first_line(text: str, width: float, size: float, *, bold: bool) -> tuple[str, str]:
    """Split off as much as fits, at a blank where there is one."""
    if text_width(text, size, bold=bold) <= width:
        return text, ""
    fitting = _fitting_length(text, width, size, bold=bold)
    blank = text.rfind(" ", 0, fitting + 1)
    cut = blank if blank > 0 else fitting
    return text[:cut].rstrip(), text[cut:].lstrip()


def _fitting_length(text: str, width: float, size: float, *, bold: bool) -> int:
    """Length of the longest beginning that fits; at least 1, so that wrapping always ends."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle], size, bold=bold) <= width:
            low = middle
        else:
            high = middle - 1
    return low


def _shortened(line: str, width: float, size: float, *, bold: bool) -> str:
    kept = _fitting_length(line, width - text_width(" " + _ELLIPSIS, size, bold=bold), size, bold=bold)
    return line[:kept].rstrip() + " " + _ELLIPSIS


@cache
def _known_glyphs() -> frozenset[int]:
    path = fontManager.findfont(FontProperties(family=[_FAMILY]))
    return frozenset(get_font(path).get_charmap())
