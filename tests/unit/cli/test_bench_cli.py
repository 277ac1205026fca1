"""`scr-lens bench`: no option is dropped, and a choice that leaves nothing to measure is said."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import typer

from scr_lens import bench, throughput
from scr_lens.cli.app import app

GIVEN = {
    "dtype": "--dtype float32",
    "device": "--device cpu",
    "layers": "--layers 2",
    "distinct_blocks": "--distinct-blocks 1",
    "rounds": "--rounds 3",
    "as_json": "--json",
}
TAKEN = {"capture": {"device", "rounds", "as_json"}, "throughput": {"rounds", "as_json"}}


@dataclass
class Measured:
    """What a measurement was called with, in place of its result."""

    options: dict[str, Any]


@pytest.fixture
def measured(monkeypatch):
    """Puts both measurements aside; returns the calls that reached them."""
    calls: list[dict[str, Any]] = []

    def measure(*_, **options):
        calls.append(options)
        return Measured(options)

    monkeypatch.setattr(bench, "capture_benchmark", measure)
    monkeypatch.setattr(throughput, "throughput", measure)
    workloads = {"small, 6": lambda: None, "small, 18": lambda: None, "large, 6": lambda: None}
    monkeypatch.setattr(throughput, "standard_workloads", lambda folder: workloads)
    return calls


def test_the_options_tried_here_are_all_that_stand_before_a_subcommand():
    group: Any = typer.main.get_command(app).commands["bench"]
    assert {option.name for option in group.params} == {"random_weights", *GIVEN}


@pytest.mark.parametrize("subcommand", list(TAKEN))
@pytest.mark.parametrize("option", list(GIVEN))
def test_an_option_before_a_subcommand_is_refused(run, measured, option, subcommand):
    status, out, errors = run("bench", *GIVEN[option].split(), subcommand)
    assert (status, out, measured) == (2, "", [])
    (line,) = errors
    assert line.startswith(f"error: {GIVEN[option]} stands before {subcommand!r}, which would not see it; ")
    if option in TAKEN[subcommand]:
        _, _, remedy = line.partition("put it behind: scr-lens ")
        assert run(*remedy.split())[::2] == (0, []) and measured
    else:
        assert line.endswith(f"leave it out, or give it with --random-weights NAME instead of {subcommand!r}")
        assert run("bench", subcommand)[::2] == (0, []) and measured


def test_an_option_that_names_the_group_s_own_default_is_refused_too(run, measured):
    status, _, (line,) = run("bench", "--rounds", "5", "capture")  # the default of capture is another
    assert status == 2 and "--rounds 5 stands before 'capture'" in line and not measured


def test_capture_takes_a_device(run, measured):
    assert run("bench", "capture")[0] == run("bench", "capture", "--device", "cpu:0")[0] == 0
    assert [call["device"] for call in measured] == ["cpu", "cpu:0"]
    status, out, _ = run("bench", "capture", "--device", "meta", "--rounds", "4", "--json")
    assert status == 0 and json.loads(out) == {"options": {"rounds": 4, "device": "meta"}}


@pytest.mark.parametrize(
    ("device", "message"), [("gpu", "device 'gpu' is no device"), ("cuda", "device 'cuda' is not there")]
)
def test_capture_refuses_a_device_that_is_not_there(run, measured, monkeypatch, device, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    status, out, (line,) = run("bench", "capture", "--device", device)
    assert (status, out, measured) == (2, "", []) and message in line


def test_only_takes_the_workloads_with_that_text(run, measured):
    _, out, _ = run("bench", "throughput", "--only", "small", "--json")
    assert list(json.loads(out)) == ["small, 6", "small, 18"] and len(measured) == 2


def test_a_text_in_no_workload_s_name_is_answered_with_the_names(run, measured):
    for as_json in ((), ("--json",)):
        status, out, (line,) = run("bench", "throughput", "--only", "zzz", *as_json)
        assert (status, out, measured) == (2, "", [])
        assert line == (
            "error: --only 'zzz' is in no workload's name; give a part of one of: "
            "'small, 6', 'small, 18', 'large, 6'"
        )
