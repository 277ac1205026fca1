"""Running a command line in this process."""

import re

import pytest

from scr_lens.cli import main


@pytest.fixture
def called(monkeypatch, capsys):
    """Runs a command line; returns (exit status, standard output, lines of standard error)."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["scr-lens", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, re.split(r"[\r\n]+", err)

    return call


@pytest.fixture
def run(called):
    """Runs a command line; returns (exit status, standard output, lines of errors)."""

    def call(*arguments):
        code, out, lines = called(*arguments)
        return code, out, [line for line in lines if line.startswith("error:")]

    return call
