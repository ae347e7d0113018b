"""The pages in a real Chromium: a night begun, watched, judged by keyboard, approved and exported; no page has faults.

Needs Debian's package `chromium`; run by `make test-browser`. axe-core (MPL-2.0, in the folder `axe`) looks for what
people with a screen reader, a keyboard or weak eyes could not use.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from studies.pages.library import Library
from studies.pages.server import PageServer
from tests.studies.sample_study import write_small_study

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "axe" / "axe.min.js"
SERIOUS = ("serious", "critical")
WINDOWS = {"wide": (1400, 900), "phone": (390, 844)}
NIGHT_MS = 300_000
"""Milliseconds that a night of the small study may take."""


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[PageServer]:
    """Pages of a study that was never run."""
    served = PageServer(Library([write_small_study(tmp_path_factory.mktemp("browser"), groups=1)]), port=0)
    thread = served.start()
    yield served
    served.stop()
    thread.join(20)


class Visitor:
    """A browser's window, with everything that it complained of."""

    def __init__(self, browser: Browser, server: PageServer, window: str = "wide", **options: Any) -> None:
        width, height = WINDOWS[window]
        self.complaints: list[str] = []
        self.root = server.address.partition("/?")[0]
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        self.page: Page = context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(server.address)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def go(self, place: str) -> Page:
        self.page.goto(self.root + place)
        return self.page

    def faults(self) -> list[str]:
        """What axe-core finds serious, a line each."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("() => axe.run()")
        return [
            f"{one['id']}: {one['help']}: {node['html']}"
            for one in found["violations"]
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]
