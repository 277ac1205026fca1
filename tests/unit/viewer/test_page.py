import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest

from scr_lens.errors import StoreError
from scr_lens.viewer import Payload, page, write_page
from scr_lens.viewer.assets import MODULES, script, style
from scr_lens.viewer.page import data_block
from scr_lens.viewer.picture_folder import PictureFolder

NASTY = "</script><script>alert(1)</script><!-- & \u2028 é"
URI = "data:image/png;base64," + base64.b64encode(b"picture").decode()


class Reader(HTMLParser):
    """Elements with their attributes and text, as a browser's parser would cut them."""

    def __init__(self):
        super().__init__()
        self.found, self.is_open = [], False

    def handle_starttag(self, tag, attributes):
        self.found.append([tag, dict(attributes), ""])
        self.is_open = True

    def handle_data(self, data):
        if self.is_open:
            self.found[-1][2] += data

    def handle_endtag(self, tag):
        self.is_open = False


def elements(content, tag):
    reader = Reader()
    reader.feed(content.decode("utf-8"))
    return [(attributes, text) for name, attributes, text in reader.found if name == tag]


@pytest.fixture
def payload():
    index = {"format": "scr_lens viewer", "version": 1, "title": NASTY, "cards": [{"title": NASTY}]}
    return Payload(index=index, arrays=({"passes": [NASTY]},), pictures=(URI, URI))


def test_the_policy_names_the_hash_of_script_and_style(payload):
    content = page(payload)
    policy = next(a["content"] for a, _ in elements(content, "meta") if "http-equiv" in a)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    (code,) = [text for a, text in elements(content, "script") if a.get("type") == "module"]
    ((_, look),) = elements(content, "style")
    for rule, text in (("script-src", code), ("style-src", look)):
        expected = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{expected}'"
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    assert "unsafe" not in policy


def test_no_text_ends_its_block(payload):
    content = page(payload)
    blocks = [(a, text) for a, text in elements(content, "script") if a.get("type") == "application/json"]
    assert [a["id"] for a, _ in blocks] == [
        "scr-lens-index",
        "scr-lens-card-0",
        "scr-lens-picture-0",
        "scr-lens-picture-1",
    ]
    assert json.loads(blocks[0][1]) == payload.index and json.loads(blocks[1][1]) == payload.arrays[0]
    assert all(sign not in text for _, text in blocks for sign in "<>&")
    assert len(elements(content, "script")) == 5


def test_a_block_holds_any_value():
    text = data_block("x", {"a": NASTY, "b": [1.5, None]})
    inner = text.removeprefix('<script type="application/json" id="scr-lens-x">').removesuffix("</script>")
    assert json.loads(inner) == {"a": NASTY, "b": [1.5, None]} and inner.isascii()


def test_the_heading_of_the_page_is_escaped(payload):
    ((_, title),) = elements(page(payload), "title")
    assert b"<title>&lt;/script&gt;" in page(payload) and title.startswith("</script>")


def test_pages_are_the_same_bytes(payload, tmp_path):
    first = write_page(tmp_path / "deep" / "a.html", payload)
    second = write_page(tmp_path / "b.html", payload)
    assert first.read_bytes() == second.read_bytes() == page(payload)


def test_pictures_beside_the_page_are_files_named_by_content(payload, tmp_path):
    folder = PictureFolder.of(payload, "pictures")
    file = write_page(tmp_path / "a.html", payload, folder=folder)
    (written,) = (tmp_path / "pictures").iterdir()
    assert written.read_bytes() == b"picture" and written.name.endswith(".png")
    blocks = {a.get("id"): text for a, text in elements(file.read_bytes(), "script")}
    assert json.loads(blocks["scr-lens-picture-1"]) == f"pictures/{written.name}"
    assert URI.encode() not in file.read_bytes()


def test_a_page_that_cannot_be_written_is_refused(payload, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="give a file in a writable folder"):
        write_page(tmp_path / "file" / "a.html", payload)


def test_the_module_is_whole_and_asks_nobody():
    code = script()
    assert not re.search(r"^import ", code, re.MULTILINE) and code.count("export ") == 2
    names = re.findall(r"^(?:const|let|function|class) (\w+)", code, re.MULTILINE)
    assert len(names) == len(set(names)) and {"App", "Deck", "mount", "render"} <= set(names)
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "eval(", "fetch(", "XMLHttp", "document.write"):
        assert word not in code
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", code) and "url(" not in style()
    assert "</script" not in code.lower() and "</style" not in style().lower()
    assert len(MODULES) == len(set(MODULES))


@pytest.mark.parametrize("name", ["viridis", "cividis", "RdBu_r"])
def test_color_maps_are_matplotlibs(name):
    pattern = rf'{name}:\s+"([0-9a-f]+)" \+\s+"([0-9a-f]+)"'
    stops = "".join(re.search(pattern, script()).groups())
    colors = np.array([int(stops[k : k + 2], 16) for k in range(0, len(stops), 2)]).reshape(-1, 3)
    between = [np.interp(np.linspace(0, 32, 256), np.arange(33), colors[:, c]) for c in range(3)]
    expected = 255 * matplotlib.colormaps[name](np.arange(256))[:, :3]
    assert len(colors) == 33 and np.abs(np.stack(between, 1) - expected).max() < 5
