"""A headless Chromium for the tests of the inspector; without one they skip and say so."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# As root, in containers, and without a graphics card.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


@pytest.fixture(scope="session")
def chromium():
    """The system's Chromium, started once."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page with everything that it must not do."""

    page: object
    file: Path
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def foreign(self) -> list[str]:
        """Requests for anything but the page and the pictures beside it."""
        own = (self.file.as_uri(), f"{self.file.parent.as_uri()}/{self.file.stem}-images/", "data:image/")
        return [url for url in self.requests if not url.startswith(own)]


@pytest.fixture(scope="session")
def offline(chromium):
    """A browser profile without network."""
    context = chromium.new_context(offline=True)
    context.set_default_timeout(60_000)  # a busy machine draws slowly
    yield context
    context.close()


@pytest.fixture
def visit(offline):
    """Opens a page from disk; in the end it must not have complained nor asked for anything else."""
    opened = []

    def call(file: Path, *, width=1000, height=800, color_scheme="light"):
        page = offline.new_page()
        one = Opened(page, file)
        opened.append(one)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=color_scheme)
        page.on("console", lambda message: one.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: one.complaints.append(f"error: {error}"))
        page.on("request", lambda request: one.requests.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector(".sl-header")
        return page

    yield call
    for one in opened:
        one.page.close()
        assert [text for text in one.complaints if "willReadFrequently" not in text] == []
        assert one.foreign() == []
