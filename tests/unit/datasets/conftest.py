"""A local HTTP server whose faults a test chooses."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Site:
    """What a server serves and how it behaves; tests change it between requests."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)  # close the connection after so many bytes, once each
    statuses: list[int] = field(default_factory=list)  # answer with these first
    says_length: bool = True
    redirect: str = ""
    asked: list[str | None] = field(default_factory=list)  # Range header of every request

    def put(self, name: str, content: bytes, etag: str = '"v1"') -> str:
        self.files[name], self.etags[name] = content, etag
        return f"{self.address}/{name}"


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        site, name = self.site, self.path.lstrip("/")
        site.asked.append(self.headers.get("Range"))
        if site.statuses:
            self.send_error(site.statuses.pop(0))
        elif site.redirect:
            self.send_response(302)
            self.send_header("Location", site.redirect)
            self.end_headers()
        elif name not in site.files:
            self.send_error(404)
        else:
            self._serve(name)

    def _serve(self, name: str) -> None:
        site, content, etag = self.site, self.site.files[name], self.site.etags[name]
        start = 0
        asked = self.headers.get("Range")
        if asked and site.ranges and self.headers.get("If-Range") == etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if etag:
            self.send_header("ETag", etag)
        if site.says_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        self.wfile.write(body[: site.breaks.pop(0)] if site.breaks else body)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A running server."""
    monkeypatch.setenv("no_proxy", "*")
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()
