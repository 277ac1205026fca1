"""Status lines: what stays and what is redrawn."""

import io
import sys

from scr_lens.cli.status_lines import StatusLines


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def written(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    with StatusLines() as lines:
        lines.show("small", "pope: 10%")
        lines.say("large: ablations")
        lines.show("small", "pope: 20%")
        lines.show("large", "ablations: 1%")
    return stream.getvalue()


def test_a_terminal_shows_one_line_per_name(monkeypatch):
    text = written(monkeypatch, Terminal())
    assert "small: pope: 10%" in text
    assert "small: pope: 20%" in text
    assert "\n\rlarge: ablations: 1%" in text  # a line of its own, under the first
    assert "large: ablations\n" in text


def test_a_file_gets_the_lines_that_stay_only(monkeypatch):
    assert written(monkeypatch, io.StringIO()) == "large: ablations\n"
