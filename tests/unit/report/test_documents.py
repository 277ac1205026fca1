"""Markdown and HTML: everything escaped, nothing loaded from elsewhere."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
from PIL import Image

from scr_lens.report.document import Bullets, Document, Heading, Link, Paragraph, Picture, table_of
from scr_lens.report.markdown import to_markdown
from scr_lens.report.page import STYLE, to_html
from scr_lens.report.writing import compact_png

EVIL = '<script>alert("x")</script> & "quoted" | *bold* [a](b) `c` _d_ \'e\''


def picture():
    buffer = BytesIO()
    Image.fromarray(np.zeros((4, 10, 3), np.uint8)).save(buffer, "png")
    return Picture("plot.png", buffer.getvalue(), EVIL)


def document():
    parts = (
        Heading(EVIL, 2),
        Paragraph(EVIL),
        Bullets((EVIL,)),
        table_of([[EVIL, "1"], ["supported", "2"]], [EVIL, "n"], "n"),
        picture(),
        Link(EVIL, "a/report"),
    )
    return Document(EVIL, parts)


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.attributes = [], [], {}

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.setdefault(tag, []).append(dict(attrs))

    def handle_data(self, data):
        self.text.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    return reader


def test_html_shows_every_text_as_it_is():
    reader = read(to_html(document()))
    assert "script" not in reader.tags
    assert reader.text.count(EVIL) >= 6
    assert reader.attributes["img"][0]["alt"] == EVIL


def test_html_allows_nothing_from_elsewhere():
    page = to_html(document())
    policy = next(m["content"] for m in read(page).attributes["meta"] if m.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    style = re.search(r"<style>(.*?)</style>", page, re.S).group(1)
    assert style == STYLE
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    assert not re.search(r"\bon\w+=|https?://|style=", page.replace(EVIL, ""))


def test_pictures_are_inside_and_of_one_scale():
    image = read(to_html(document())).attributes["img"][0]
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == picture().png
    assert image["width"] == "6"


def test_links_lead_to_the_same_kind_of_file():
    assert read(to_html(document())).attributes["a"][0]["href"] == "a/report.html"
    assert "(a/report.md)" in to_markdown(document())


def test_verdicts_are_marked():
    assert '<td class="supported verdict">supported</td>' in to_html(document())


def test_markdown_keeps_cells_and_markup_apart():
    text = to_markdown(document())
    assert "<script>" not in text
    row = next(line for line in text.splitlines() if line.startswith("| \\<script"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert "(plot.png)" in text
    assert text.endswith("\n")


def test_compact_pictures_are_smaller_look_alike_and_repeat():
    generator = np.random.default_rng(0)
    pixels = np.full((120, 160, 3), 255, np.uint8)
    pixels[20:60, 30:90] = (0, 114, 178)
    pixels[70:72] = generator.integers(0, 255, (2, 160, 3))
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    small = compact_png(buffer.getvalue())
    assert small == compact_png(buffer.getvalue())
    with Image.open(BytesIO(small)) as reduced:
        assert reduced.size == (160, 120)
        assert np.abs(np.asarray(reduced.convert("RGB"))[30, 50].astype(int) - (0, 114, 178)).max() <= 4
