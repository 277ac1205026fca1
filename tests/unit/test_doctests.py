"""The examples in the docstrings of central functions do what they show."""

import doctest
import importlib

import pytest

EXAMPLES = (
    "scr_lens.analysis.entropy",
    "scr_lens.analysis.verdict",
    "scr_lens.chunks",
    "scr_lens.grid",
    "scr_lens.interventions.custom",
    "scr_lens.interventions.redistribution",
    "scr_lens.interventions.selection",
    "scr_lens.metrics.answers",
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0
