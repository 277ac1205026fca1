"""The hub, played by a server on this machine that refuses, hangs, lacks the model, or serves it."""

import functools
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from huggingface_hub import constants
from tiny import save_llava

import scr_lens as sl
from scr_lens.errors import DataError
from scr_lens.trace import hub
from scr_lens.trace.hub import reach_hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PREFIX = "/owner/name/resolve/"


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves the files of a folder as the hub would; anything else is not there."""

    def __init__(self, folder, asked, *arguments):
        self.folder, self.asked = folder, asked
        super().__init__(*arguments)

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        self.asked.append((self.command, self.path))
        revision, _, name = self.path.removeprefix(PREFIX).partition("/")
        file = self.folder / name
        if not self.path.startswith(PREFIX) or revision not in ("main", COMMIT) or not file.is_file():
            self.send_response(404)
            is_file = self.path.startswith((PREFIX, "/api/models/owner/name/"))
            self.send_header("X-Error-Code", "EntryNotFound" if is_file else "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("tiny-llava"))


@pytest.fixture
def served(folder):
    """Address of a working hub, what it was asked, and how to end it."""
    asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Hub, folder, asked))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def end():
        server.shutdown()
        server.server_close()

    yield f"http://127.0.0.1:{server.server_address[1]}", asked, end
    end()


@pytest.fixture
def endpoint(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_ETAG_TIMEOUT", raising=False)

    def point(address):  # what HF_ENDPOINT sets when huggingface_hub is imported
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)

    return point


@pytest.fixture
def free_address():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"  # bound, not listening: a connection is refused


def test_a_hub_that_refuses_is_one_line_and_no_retry(endpoint, free_address):
    endpoint(free_address)
    with pytest.raises(DataError) as refused:
        sl.load("owner/name")
    text = str(refused.value)
    assert f"cannot reach {free_address} for 'owner/name' (" in text and "refused), and" in text
    assert "\n" not in text
    assert "not in the local cache" in text and "give its folder" in text


def test_a_hub_that_never_answers_is_given_up_after_the_stated_time(endpoint, monkeypatch):
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Thread(target=lambda: connections.append(silent.accept()), daemon=True).start()
        endpoint(f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(hub, "HUB_SECONDS", 0.2)
        with pytest.raises(DataError, match=r"cannot reach .* for 'owner/name' \(.*timed out"):
            reach_hub("owner/name", "main")
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):  # asked once
            silent.accept()
    assert len(connections) == 1
    connections[0][0].close()


def test_the_environment_sets_the_seconds(monkeypatch):
    monkeypatch.delenv("HF_HUB_ETAG_TIMEOUT", raising=False)
    assert hub._seconds() == hub.HUB_SECONDS <= 5
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "40")
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 40)  # as huggingface_hub reads it on import
    assert hub._seconds() == 40


def test_offline_mode_asks_nothing(endpoint, free_address, monkeypatch):
    endpoint(free_address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert reach_hub("owner/name", "main") == {}


def test_an_answer_leaves_the_rest_to_the_download(endpoint, served):
    address, asked, _ = served
    endpoint(address)
    assert reach_hub("owner/other", "main") == {} == reach_hub("owner/name", "main")
    assert asked == [("HEAD", f"/owner/{name}/resolve/main/config.json") for name in ("other", "name")]


def load_in_another_process(
    address: str, home: Path, **environment: str
) -> "subprocess.CompletedProcess[str]":
    code = "import scr_lens as sl; lens = sl.load('owner/name', device='cpu'); print(lens.revision)"
    settings = {
        "HF_ENDPOINT": address,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=kept | settings | environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )


def test_downloads_work_and_the_cache_serves_when_the_hub_is_gone(served, tmp_path):
    address, asked, end = served
    fresh = load_in_another_process(address, tmp_path)
    assert fresh.stdout.split() == [COMMIT], fresh.stderr
    assert any(method == "GET" and path.endswith("model.safetensors") for method, path in asked)
    end()
    for environment in ({}, {"HF_HUB_OFFLINE": "1"}):
        cached = load_in_another_process(address, tmp_path, **environment)
        assert cached.stdout.split() == [COMMIT], cached.stderr
        assert "Retry" not in cached.stderr
