"""What `import scr_lens` offers: every name of the stub, at no cost before it is used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import scr_lens

STUB = ast.parse(Path(scr_lens.__file__).with_suffix(".pyi").read_text())
ORIGINS = {
    name.asname or name.name: node.module
    for node in STUB.body
    if isinstance(node, ast.ImportFrom)
    for name in node.names
}


def test_the_stub_lists_what_it_imports() -> None:
    assert sorted(ORIGINS) == sorted(scr_lens.__all__)
    assert set(dir(scr_lens)) >= set(ORIGINS)


@pytest.mark.parametrize("name", sorted(ORIGINS))
def test_every_name_is_the_object_of_its_room(name: str) -> None:
    found = getattr(importlib.import_module(f"scr_lens.{ORIGINS[name]}"), name)
    assert getattr(scr_lens, name) is found
    assert not isinstance(found, type(sys)), f"{name} is a module, not what a user calls"


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "torch", "transformers", "nnsight", "pandas", "matplotlib", "anywidget"
    code = f"import sys, scr_lens; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
