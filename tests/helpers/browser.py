"""Pages in Debian's Chromium, driven by Playwright: what tests of what people see and touch use.

Both are optional (apt-get install chromium; pip install -r requirements-browser.txt). Without them the tests are
skipped, with the reason; in `.ci/run`, which sets OFDB_BROWSER=required, they fail.
"""

import importlib
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]
AT_HOME = re.compile(r"^(file|data|blob|about):|^(http|ws)s?://(localhost|127\.0\.0\.1|\[::1\])[:/]")
PATIENCE = 120_000  # milliseconds for what a page is asked for, as the machine may be busy
BLANK = "http://localhost/blank"  # a page of its own origin that no server gives
LOAD = "source => import(URL.createObjectURL(new Blob([source], {type: 'text/javascript'})))"


def missing():
    """The sentence that says what is not installed, or None."""
    if not shutil.which("chromium"):
        return "chromium is not installed: apt-get install chromium"
    try:
        importlib.import_module("playwright.sync_api")
    except ImportError:
        return "playwright is not installed: pip install -r requirements-browser.txt"
    return None


class Watched:
    """A page, and all that goes wrong on it: `wrong`, a list of sentences. Screenshots go to the folder `shots`."""

    def __init__(self, page, shots):
        self.page, self.shots, self._count = page, Path(shots), 0
        self.wrong: list[str] = []
        self.shots.mkdir(parents=True, exist_ok=True)
        page.on("pageerror", lambda error: self.wrong.append(f"page error: {error}"))
        page.on("console", self._console)
        page.on("crash", lambda: self.wrong.append("the page crashed"))
        page.context.route("**/*", self._route)

    def _console(self, message):
        if message.type == "error":
            self.wrong.append(f"console error: {message.text}")

    def _route(self, route):
        address = route.request.url
        if address == BLANK:
            route.fulfill(body="<!doctype html><html lang=en><title>blank</title>", content_type="text/html")
        elif AT_HOME.match(address):
            route.continue_()
        else:
            self.wrong.append(f"the page asks the network for {address}")
            route.abort()

    def module(self, source):
        """A handle of an ES module from its text, on a blank page where none is open."""
        if self.page.url == "about:blank":
            self.page.goto(BLANK)
        return self.page.evaluate_handle(LOAD, source)

    def shoot(self, name):
        """Keep a screenshot as the next number and this name; return its path."""
        self._count += 1
        path = self.shots / f"{self._count:02d}-{name}.png"
        self.page.screenshot(path=path)
        return path


@contextmanager
def chromium():
    """Debian's Chromium, without a display."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser, shots, **context):
    """A `Watched` page with the network refused; context: options of Playwright's, as viewport and color_scheme."""
    made = browser.new_context(**{"viewport": {"width": 1280, "height": 1000}, **context})
    made.set_default_timeout(PATIENCE)
    try:
        yield Watched(made.new_page(), shots)
    finally:
        made.close()


@pytest.fixture(scope="module")
def browser():
    """The browser of a file's tests. (Not of a session's: no other event loop can run while Playwright does.)"""
    if why := missing():
        if os.environ.get("OFDB_BROWSER") == "required":
            pytest.fail(why)
        pytest.skip(why)
    with chromium() as running:
        yield running


@pytest.fixture
def tab(browser, tmp_path):
    """A `Watched` page; the test fails where anything went wrong on it. Screenshots: OFDB_SHOTS, or the test's own."""
    with opened(browser, os.environ.get("OFDB_SHOTS") or tmp_path / "shots") as page:
        yield page
        assert not page.wrong
