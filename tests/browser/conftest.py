"""Fixtures of the browser tests. A test that fails leaves a screenshot in ``screenshots/``."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from .server import CHROMIUM_FLAGS, ROOT, RunningApp, chromium, running_app
from .visitor import Visitor

SCREENSHOTS = ROOT / "screenshots"


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    executable = chromium()
    if executable is None:
        pytest.skip("Chromium is not installed")
    started = playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM_FLAGS))
    yield started
    started.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[RunningApp]:
    with running_app(tmp_path / "workspace", tmp_path / "app.log") as started:
        yield started


@pytest.fixture
def visitor(app: RunningApp, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page: Page = context.new_page()
    somebody = Visitor(page, app.url)
    yield somebody
    # Shown with a test that failed: a page that went white says why only here.
    print("Errors of the page:", somebody.errors or "none")
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{request.node.name}-end.png")
    context.close()
