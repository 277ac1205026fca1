"""One file over HTTP: resumed where it stopped, checked, and only then given its name."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm.auto import tqdm

from scr_lens.datasets.checks import check_file
from scr_lens.errors import DataError

ATTEMPTS = 5
"""Connections tried in a row without a byte of progress before giving up."""
_BLOCK = 1 << 18
_TIMEOUT = 60.0
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Reply:
    """What the server said to a request for the rest of a file.

    Attributes:
        stream: The open response.
        start: Byte at which its content starts.
        total: Bytes of the whole file; None if the server does not say.
    """

    stream: Any
    start: int
    total: int | None


def download(
    url: str,
    target: Path,
    *,
    size: int | None = None,
    checksum: str | None = None,
    pause: float = 1.0,
) -> None:
    """Fetches a file.

    The bytes go to `<target>.part`; a later call goes on from there if the server allows it and the file has
    not changed, else it starts again. The part becomes the target after its checks, in one step.

    Args:
        url: http or https address.
        target: Where to put the file; its folder is made.
        size: Its bytes, if known.
        checksum: "algorithm:hexdigest", if known.
        pause: Seconds to wait before a broken connection is tried again; doubled each time.

    Raises:
        DataError: If the server refuses, the connection keeps breaking, or the file is not the expected one.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{url!r} is not an http or https address; give one")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    with tqdm(
        total=size, initial=_length(part), desc=target.name, unit="B", unit_scale=True, leave=False
    ) as bar:
        _complete(url, part, bar, pause)
    try:
        check_file(part, size, checksum, url)
    except DataError:
        _discard(part)
        raise
    part.replace(target)
    _tag(part).unlink(missing_ok=True)


def _complete(url: str, part: Path, bar: tqdm[Any], pause: float) -> None:
    """Adds to the part until it is whole."""
    failures = 0
    while True:
        before = _length(part)
        try:
            if _append(url, part, bar):
                return
            problem: object = "the connection ended early"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in _TRANSIENT:
                raise DataError(
                    f"{url}: the server says {error.code} {error.reason}; the file may have moved: look at "
                    "the dataset's page, then use `scr-lens data import`"
                ) from error
            problem = f"{error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            problem = getattr(error, "reason", error) or type(error).__name__
        failures = 1 if _length(part) > before else failures + 1
        if failures >= ATTEMPTS:
            raise DataError(
                f"{url}: {problem}, {failures} times in a row; check the network and run the same command to "
                f"go on ({_length(part)} bytes are kept)"
            )
        time.sleep(pause * 2 ** (failures - 1))


def _append(url: str, part: Path, bar: tqdm[Any]) -> bool:
    """Makes one connection; True when the part is whole afterwards."""
    reply = _request(url, part)
    if reply is None:
        return True
    with reply.stream, part.open("r+b" if part.exists() else "wb") as file:
        file.truncate(reply.start)
        file.seek(reply.start)
        bar.total, bar.n = reply.total, reply.start
        while block := reply.stream.read(_BLOCK):
            file.write(block)
            bar.update(len(block))
        file.flush()
        os.fsync(file.fileno())
    return reply.total is None or _length(part) == reply.total


def _request(url: str, part: Path) -> Reply | None:
    """Asks for what is missing; None when nothing is."""
    have, tag = _length(part), _tag(part)
    request = urllib.request.Request(url, headers={"User-Agent": "scr-lens", "Accept-Encoding": "identity"})
    if have and tag.exists():
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", tag.read_text())
    try:
        stream = _OPENER.open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and _total(error.headers.get("Content-Range")) == have:
            return None
        if error.code == 416:
            _discard(part)
            raise http.client.HTTPException(f"nothing from byte {have} on; starting again") from error
        raise
    if stream.status == 206:
        found = stream.headers.get("Content-Range") or ""
        if found.startswith(f"bytes {have}-"):
            return Reply(stream, have, _total(found))
        stream.close()
        _discard(part)
        raise http.client.HTTPException(f"asked for bytes from {have}, got {found!r}")
    _remember(tag, stream.headers)
    length = stream.headers.get("Content-Length")
    return Reply(stream, 0, int(length) if length and length.isdecimal() else None)


def _remember(tag: Path, headers: Any) -> None:
    """Keeps what tells this version of the file from another; without it nothing can be resumed."""
    etag = headers.get("ETag") or ""
    validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")
    if validator:
        tag.write_text(validator)
    else:
        tag.unlink(missing_ok=True)


def _total(content_range: str | None) -> int | None:
    total = (content_range or "").rpartition("/")[2]
    return int(total) if total.isdecimal() else None


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _tag(part: Path) -> Path:
    return part.with_name(f"{part.name}.tag")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag(part).unlink(missing_ok=True)


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise DataError(f"{req.full_url} redirects to the unprotected {newurl}; fetch it by hand instead")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_NoDowngrade)
