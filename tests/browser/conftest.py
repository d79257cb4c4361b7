"""A headless Chromium, and pages made from small synthetic verdicts."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from reports.__main__ import run
from tests.reports import synthetic

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FAULTS = {"tone-right": None, "tone-linear": synthetic.linear_upsampling, "tone-octave": synthetic.octave_slip}


def chromium() -> str:
    """The path of the browser. Without a browser the tests fail; they are not skipped."""
    path = os.environ.get("CHROMIUM") or next((where for name in NAMES if (where := shutil.which(name))), None)
    if not path:
        pytest.fail("no Chromium was found; install it (Debian: apt-get install chromium) or name it in $CHROMIUM")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield running
        running.close()


@dataclass(frozen=True)
class Report:
    """Pages and the verdicts they were made from."""

    pages: Path
    verdicts: dict[str, Path] = field(default_factory=dict)

    def url(self, page: str) -> str:
        return (self.pages / page.split("#")[0]).as_uri() + ("#" + page.split("#")[1] if "#" in page else "")


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """One passing and two failing cases of one candidate."""
    root = tmp_path_factory.mktemp("report")
    folder = synthetic.judged(root, FAULTS, "planted")
    run([folder], root / "pages", quiet=True)
    return Report(root / "pages", {"planted": folder})


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The same cases by a correct candidate, one with planted faults, and one that offers no retrieval."""
    root = tmp_path_factory.mktemp("comparison")
    folders = {
        "correct": synthetic.judged(root, dict.fromkeys(FAULTS), "correct"),
        "planted": synthetic.judged(root, FAULTS, "planted"),
        "partial": synthetic.judged(root, dict.fromkeys(FAULTS), "partial", ("retrieval.search", "flow")),
    }
    run(list(folders.values()), root / "pages", quiet=True)
    return Report(root / "pages", folders)


@dataclass
class Watched:
    """A page, its console messages and errors, and the addresses that it requested."""

    page: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, url: str) -> Page:
        """Go there and wait until the page is interactive."""
        self.page.goto(url)
        self.page.wait_for_selector("html[data-ready=yes]", timeout=20_000)
        return self.page


def until(page: Page, expression: str, seconds: float = 10) -> None:
    """Wait until a JavaScript expression holds. (Playwright's own way needs eval, which the pages forbid.)"""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"{expression} did not become true within {seconds:g} s"
        page.wait_for_timeout(20)


def watch(context: BrowserContext) -> Watched:
    """A new page whose console messages, errors and requests are recorded."""
    watched = Watched(context.new_page())
    watched.page.on("console", lambda message: watched.messages.append(f"{message.type}: {message.text}"))
    watched.page.on("pageerror", lambda error: watched.messages.append(f"error: {error}"))
    watched.page.on("request", lambda request: watched.requests.append(request.url))
    return watched


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A page 1280 pixels wide. After the test it must have no console messages and no requests to a network."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = watch(context)
    yield page
    context.close()
    assert page.messages == []
    external = [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert external == []
