"""Reports as one HTML file: no network, no script, every text escaped, pictures inside."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from scr_lens.report.document import Bullets, Document, Heading, Link, Paragraph, Part, Picture, TextTable

STYLE = """
body { font: 15px/1.5 "DejaVu Sans", Verdana, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 78rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #d9d9d9; }
h3 { font-size: 1.05rem; margin-top: 1.8rem; }
table { border-collapse: collapse; font-size: 0.85rem; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #d9d9d9; padding: 0.3rem 0.7rem; text-align: left; vertical-align: top; }
th { background: #f4f4f4; } td.number, th.number { text-align: right; white-space: nowrap; }
td.verdict { white-space: nowrap; }
td.supported { background: #d6ecf8; } td.refuted { background: #fbe3d3; } td.open { background: #f4f4f4; }
figure { margin: 1.2rem 0; } img { max-width: 100%; height: auto; }
figcaption { color: #6b6b6b; font-size: 0.85rem; }
@media (prefers-color-scheme: dark) { img { background: #fff; } }
"""

_SCREEN_SHARE = 0.6
"""Pixels on the screen per pixel of a picture, so that letters have one size in all of them."""

_VERDICT_CLASSES = {"supported": "supported", "not supported": "refuted", "inconclusive": "open"}


def to_html(document: Document) -> str:
    """Write a report as one self-contained page.

    Args:
        document: The report.

    Returns:
        The page. Its content security policy allows nothing but the pictures and the style in it.
    """
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(document.title)}</title><style>{STYLE}</style>"
    )
    body = "\n".join([f"<h1>{escape(document.title)}</h1>", *(_part(part) for part in document.parts)])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _part(part: Part) -> str:
    match part:
        case Heading():
            return f"<h{part.level}>{escape(part.text)}</h{part.level}>"
        case Paragraph():
            return f"<p>{escape(part.text)}</p>"
        case Bullets():
            return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in part.items) + "</ul>"
        case TextTable():
            return _table(part)
        case Picture():
            source = "data:image/png;base64," + base64.b64encode(part.png).decode()
            caption = escape(part.caption)
            width = round(_SCREEN_SHARE * int.from_bytes(part.png[16:20], "big"))
            image = f'<img src="{source}" width="{width}" alt="{caption}">'
            return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
        case Link():
            return f'<p><a href="{escape(part.target)}.html">{escape(part.text)}</a></p>'


def _table(table: TextTable) -> str:
    columns = [str(name) for name in table.cells.columns]
    numeric = [name in table.numeric for name in columns]
    head = "".join(_cell("th", text, right) for text, right in zip(columns, numeric, strict=True))
    rows = [
        "".join(_cell("td", str(text), right) for text, right in zip(row, numeric, strict=True))
        for row in table.cells.to_numpy().tolist()
    ]
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _verdict_class(text: str) -> str:
    """Color of a verdict, alone in its cell or behind a number and a colon; only alone it never wraps."""
    name = _VERDICT_CLASSES.get(text.rpartition(": ")[2], "")
    return f"{name} verdict" if name and text in _VERDICT_CLASSES else name


def _cell(tag: str, text: str, right: bool) -> str:
    name = "number" if right else _verdict_class(text) if tag == "td" else ""
    kind = f' class="{name}"' if name else ""
    return f"<{tag}{kind}>{escape(text)}</{tag}>"
