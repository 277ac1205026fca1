"""Running a command line in this process."""

import re

import pytest

from scr_lens.cli import main


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command line; returns (exit status, standard output, lines of errors)."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["scr-lens", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        errors = [line for line in re.split(r"[\r\n]+", err) if line.startswith("error:")]
        return stop.value.code or 0, out, errors

    return call
