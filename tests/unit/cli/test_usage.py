import re

import pytest

from scr_lens.cli import main
from scr_lens.cli.app import app


@pytest.fixture
def told(monkeypatch, capsys):
    """Runs a command line; returns exit status, standard output and standard error."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["anything", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code, *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["run", "x.toml", "--jobs", "three"], ["'--jobs'", "'three'", "integer", "scr-lens run --help"]),
        (["run", "x.toml", "--jobs=three"], ["'--jobs'", "'three'", "integer", "scr-lens run --help"]),
        (["demo", "--images", "3"], ["'--images'", "'3'", "10", "scr-lens demo --help"]),
        (["run", "x.toml", "--jobs"], ["'--jobs'", "argument", "--help"]),
        (["inspect"], ["missing argument", "image", "scr-lens inspect --help"]),
        (["inspect", "a", "b", "c"], ["(b c)", "scr-lens inspect --help"]),
        (["inspect", "a", "--modl", "b"], ["scr-lens inspect option '--modl'", "did you mean '--model'"]),
        (["score", "pop"], ["unknown command 'pop'", "did you mean 'pope'", "use one of: pope, chair"]),
        (["nosuch"], ["unknown command 'nosuch'", "use one of: inspect, gallery"]),
        (["bench", "--rounds", "1"], ["'--rounds'", "or equal to 2, not '1'", "scr-lens bench --help"]),
        (["--nope"], ["unknown scr-lens option '--nope'", "use one of: --help"]),
    ],
)
def test_a_command_line_that_cannot_work_is_one_line(told, arguments, parts):
    status, out, err = told(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ") and all(part in err for part in parts), err
    assert "Usage" not in err


def test_a_value_is_named_once(told):
    _, _, err = told("demo", "--jobs", "2.5")
    assert err.count("2.5") == 1


@pytest.mark.parametrize("arguments", [[], ["score"], ["score", "--help"], ["--help"]])
def test_help_stays_help(told, arguments):
    _, out, err = told(*arguments)
    assert "Usage: scr-lens" in out + err and "error:" not in out + err


def test_status_of_a_command_is_the_status_of_the_program(told, monkeypatch, tmp_path):
    assert told("methods")[0] == 0
    assert told("figures", "--run", str(tmp_path))[0] == 2  # an error of the package
    assert told("figures", "--list", "--run", str(tmp_path))[0] == 0


def test_an_interrupt_says_what_is_kept(told, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("scr_lens.figures.paper.write_entries", interrupted)
    monkeypatch.setattr("scr_lens.evidence.read_evidence", interrupted)
    status, out, err = told("figures", "--run", "somewhere")
    assert (status, out) == (130, "")
    assert err == "stopped; what was stored is kept, run the same command to go on\n"


@pytest.mark.parametrize(
    "name", [command.name or command.callback.__name__ for command in app.registered_commands]
)
def test_a_refusal_lists_the_options_that_the_help_shows(told, name):
    listed = told(name, "--no-such-option")[2].strip().rpartition("use one of: ")[2].split(", ")
    rows = re.findall(r"^  (--\S+(?: / --\S+|, --\S+)*)", told(name, "--help")[1], flags=re.MULTILINE)
    shown = [option for row in rows for option in re.split(" / |, ", row)]
    assert sorted(listed) == sorted(shown) and "--help" in listed
