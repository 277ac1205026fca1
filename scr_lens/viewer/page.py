"""A payload as one HTML file that works from disk, without network, under a strict content policy."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from pathlib import Path
from typing import Any

from scr_lens.errors import StoreError
from scr_lens.store.atomic import write_bytes
from scr_lens.viewer.assets import script, style
from scr_lens.viewer.payload import Payload
from scr_lens.viewer.picture_folder import PictureFolder

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body class="scr-lens-page">
<div id="scr-lens"></div>
<noscript>This page needs JavaScript. It loads nothing from the network.</noscript>
{blocks}
<script type="module">{script}</script>
</body>
</html>
"""

_START = '\nmount(document.getElementById("scr-lens"));\n'


def page(payload: Payload, *, folder: PictureFolder | None = None) -> bytes:
    """Builds the page.

    Args:
        payload: What to show.
        folder: Pictures that lie beside the page; None embeds them.

    Returns:
        The same bytes for the same payload: markup, style, data and script in one file. Data are JSON blocks
        in which every `<`, `>` and `&` is escaped, so that no text in them can end its block.
    """
    pictures = payload.pictures if folder is None else folder.names
    code, look = "\n" + script() + _START, "\n" + style()
    blocks = [
        data_block("index", payload.index),
        *(data_block(f"card-{k}", card) for k, card in enumerate(payload.arrays)),
        *(data_block(f"picture-{k}", picture) for k, picture in enumerate(pictures)),
    ]
    text = _PAGE.format(
        policy=content_policy(code, look, is_beside=folder is not None),
        title=html.escape(f"{payload.index['title']} · scr_lens"),
        style=look,
        blocks="\n".join(blocks),
        script=code,
    )
    return text.encode("utf-8")


def write_page(path: str | Path, payload: Payload, *, folder: PictureFolder | None = None) -> Path:
    """Writes the page, and the pictures beside it if there is a folder for them.

    Args:
        path: HTML file; its folder is made.
        payload: What to show.
        folder: Pictures that lie beside the page; None embeds them.

    Returns:
        The file.

    Raises:
        StoreError: If it cannot be written.
    """
    file = Path(path)
    content = page(payload, folder=folder)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if folder is not None:
            folder.write(file.parent)
        write_bytes(file, content)
    except OSError as error:
        raise StoreError(
            f"cannot write {file}: {error.strerror}; give a file in a writable folder"
        ) from error
    return file


def content_policy(code: str, look: str, *, is_beside: bool = False) -> str:
    """The page's content security policy.

    Args:
        code: Text of its only script.
        look: Text of its only style sheet.
        is_beside: Whether pictures are files beside the page.

    Returns:
        Nothing is allowed but this script, this style sheet and pictures inside (or beside) the page.

    Source: W3C Content Security Policy Level 3, section 2.3 (https://www.w3.org/TR/CSP3/).
    """
    pictures = "data: 'self' file:" if is_beside else "data:"
    return (
        f"default-src 'none'; script-src '{_hash(code)}'; style-src '{_hash(look)}'; img-src {pictures}; "
        "base-uri 'none'; form-action 'none'"
    )


def data_block(name: str, value: Any) -> str:
    """Embeds a value as JSON that no text in it can break out of.

    Args:
        name: Identifier of the block.
        value: Plain value.

    Returns:
        A script element that browsers do not run.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json" id="scr-lens-{name}">{text}</script>'


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
