import hashlib
import re
import sys
import textwrap

import pytest
import torch

from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError
from scr_lens.grid import PatchGrid
from scr_lens.interventions import Identity, custom, find_method
from scr_lens.layout import TokenLayout

SOURCE = '''
"""Methods for the tests."""
NUMBER = 3

class Good:
    """Scales everything."""
    needs_attention = False
    def __init__(self, context):
        self.layers = context.layers
    def __call__(self, resid_post, layer):
        return resid_post * 2

class NoCall:
    def __init__(self, context):
        self.layers = None

class TwoArguments:
    def __init__(self, context, more):
        pass

class Outer:
    class Inner(Good):
        needs_attention = True
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "own_methods.py").write_text(SOURCE)
    (tmp_path / "broken_methods.py").write_text("import no_such_module_anywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "own_methods.py"
    sys.modules.pop("own_methods", None)


def build(name, attention=None):
    layout = TokenLayout(
        image_positions=torch.arange(9),
        grid=PatchGrid(3, 3),
        text_after_image=torch.arange(9, 11),
        question=torch.arange(9, 11),
        last=10,
        seq_len=11,
        n_pad=0,
    )
    return find_method(name).build(attention, (layout,), 4, "llava", ScrConfig(), ("k",))


def test_a_class_becomes_a_method(module):
    method = find_method("own_methods:Good")
    assert (method.name, method.description, method.needs_attention) == (
        "own_methods:Good", "Scales everything.", False
    )  # fmt: skip
    edit = build("own_methods:Good")
    assert edit.layers == LayerRange(0, 1) and edit(torch.ones(1), 0).item() == 2
    assert method.source_sha256 == hashlib.sha256(module.read_bytes()).hexdigest()
    assert find_method("scr").source_sha256 == ""


def test_maps_are_given_only_to_those_who_want_them(module):
    assert find_method("own_methods:Outer.Inner").needs_attention
    with pytest.raises(ConfigError, match="got no attention maps"):
        build("own_methods:Outer.Inner")
    assert build("own_methods:Outer.Inner", (torch.ones(9),)).layers == LayerRange(0, 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_methods:X", "cannot import module 'no_such_methods' (No module named 'no_such_methods')"),
        ("broken_methods:X", "cannot import module 'broken_methods' (No module named 'no_such_module"),
        ("own_methods:Absent", "module 'own_methods' has no class 'Absent'; check the name"),
        ("own_methods:NUMBER", "module 'own_methods' has a int, not a class, 'NUMBER'"),
        ("own_methods:", "is not of the form module:Class"),
        (":Good", "is not of the form module:Class"),
        ("own methods:Good", "is not of the form module:Class"),
        ("own_methods:Good:More", "is not of the form module:Class"),
    ],
)
def test_names_that_lead_nowhere(module, name, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        find_method(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_methods:NoCall", "is no intervention; give it layers"),
        ("own_methods:TwoArguments", "cannot be called with one BuildContext"),
    ],
)
def test_classes_of_the_wrong_kind(module, name, message):
    with pytest.raises(ConfigError, match=message):
        build(name, (torch.ones(9),))


def test_a_class_without_source_is_refused(module, monkeypatch):
    find_method("own_methods:Good")
    module.unlink()
    with pytest.raises(ConfigError, match="its source cannot be read"):
        find_method("own_methods:Good").source_sha256  # noqa: B018


def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch):
    blocks = re.findall(r"((?:^    .*\n|^\n)+)", custom.__doc__, re.MULTILINE)
    code = next(textwrap.dedent(block) for block in blocks if "class Dampen" in block)
    (tmp_path / "dampen_example.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    attention = torch.zeros(9)
    attention[4] = 1
    edit = build("dampen_example:Dampen", (attention,))
    stream = torch.ones(1, 11, 2)
    edited = edit(stream, 0)
    assert edited[0, 4].tolist() == pytest.approx([1 / 1.1] * 2) and edited.sum() < stream.sum()
    assert (stream == 1).all() and not isinstance(edit, Identity)
    sys.modules.pop("dampen_example")
