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
from studies.review.judging.picks import read_picks
from tests.studies.pages.made_results import write_results
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


@pytest.fixture(scope="module")
def night(browser: Browser, server: PageServer) -> Visitor:
    """Somebody who begins a night on the page and watches it to its end, without touching the page again."""
    visitor = Visitor(browser, server)
    page = visitor.go("/s/small")
    assert page.locator("h1").inner_text() == "Nothing was tried yet"
    page.get_by_role("button", name="Begin the night").click()
    page.wait_for_selector(".thumbs li >> nth=2", timeout=NIGHT_MS)
    page.get_by_role("button", name="Stop after this trial").wait_for()
    page.wait_for_selector("text=Judge and approve", timeout=NIGHT_MS)
    return visitor


def test_a_night_begun_on_a_page_moves_there_by_itself_and_ends_with_its_answer(night: Visitor) -> None:
    headline = night.page.locator("h1").inner_text()
    assert headline.startswith(("Found:", "Proved:"))
    assert night.page.locator(".strip figure").count() >= 4
    assert night.page.locator("#state").inner_text() == "proved"
    assert not night.complaints


def next_pair(page: Page, before: str | None) -> None:
    """Wait until another pair than that of a token is shown, and its scripts run."""
    page.wait_for_selector(f"form.answers input[name=token]:not([value='{before}'])", state="attached")
    page.wait_for_load_state()


def test_pairs_are_judged_by_keyboard_and_an_answer_is_taken_back(night: Visitor, server: PageServer) -> None:
    page = night.go("/s/small/judge")
    page.wait_for_selector("[data-judge]", timeout=120_000)
    page.wait_for_load_state()  # the page before it loaded itself again
    picks = next(iter(server.library.studies().values())).spec().storage.folder / "picks.jsonl"
    for key, answer in (("ArrowLeft", "left"), ("ArrowRight", "right"), ("ArrowDown", "same"), ("s", "skipped")):
        before = page.locator("input[name=token] >> nth=0").get_attribute("value")
        page.keyboard.press(key)
        next_pair(page, before)
        assert f'"answer": "{answer}"' in picks.read_text().splitlines()[-1]
    known = len(read_picks(picks.parent))
    before = page.locator("input[name=token] >> nth=0").get_attribute("value")
    page.keyboard.press("u")
    next_pair(page, before)
    assert len(read_picks(picks.parent)) == known - 1
    page.keyboard.press("Space")
    assert page.locator(".how-first").count() == 1
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.wait_for_selector("text=Which picture is broken?")
    page.wait_for_load_state()
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("text=this one is closer")
    assert '"broken": "left"' in picks.read_text().splitlines()[-1]
    assert not night.complaints


def test_a_finalist_is_approved_and_exported(night: Visitor, server: PageServer) -> None:
    page = night.go("/s/small/finalists")
    first = page.locator("#finalist-1")
    first.locator("summary", has_text="Approve").click()
    first.locator("input[name=note]").fill("clean <b>lines</b>")
    first.locator("form button", has_text="Approve").click()
    page.wait_for_selector("text=Approved: it is pin 1 now", timeout=60_000)
    assert page.get_by_text("clean <b>lines</b>").count()
    night.go("/s/small/exports")
    page.get_by_role("button", name="Write the checkpoint").click()
    page.wait_for_selector("text=Pin 1 was exported", timeout=60_000)
    folder = next(iter(server.library.studies().values())).spec().storage.folder
    assert list((folder / "exports").glob("*.safetensors"))
    assert not night.complaints


PLACES = (
    *("", "/trials", "/trials/3", "/compare?left=3&right=A", "/importance", "/judge", "/finalists", "/exports"),
    *("/situations", "/settings", "/probe"),
)


@pytest.fixture(scope="module")
def measured(night: Visitor, server: PageServer) -> None:
    """The study of the night with results of situations, settings and probe."""
    write_results(next(iter(server.library.studies().values())).spec().storage.folder)


@pytest.mark.parametrize("place", ["/situations", "/settings", "/probe"])
def test_pages_without_a_result_have_no_faults(night: Visitor, place: str) -> None:
    page = night.go(f"/s/small{place}")
    assert page.get_by_text(f"recipe-search {place[1:]} study.toml").count() == 1
    assert not night.faults()


def test_the_settings_are_copied_and_a_block_leads_to_its_pictures(
    measured: None, browser: Browser, server: PageServer
) -> None:
    visitor = Visitor(browser, server, permissions=["clipboard-read", "clipboard-write"])
    page = visitor.go("/s/small/settings")
    page.get_by_role("button", name="Copy").click()
    page.wait_for_selector("text=✓")
    assert "Steps: 6, Sampler: DDIM" in page.evaluate("navigator.clipboard.readText()")
    page = visitor.go("/s/small/probe")
    page.get_by_role("link", name="OUT03").first.click()
    picture = page.get_by_role("img", name="OUT03 low, at the base, and high")
    picture.wait_for()
    assert page.evaluate("document.querySelector(':target').id") == "strip-OUT03"
    picture.click()
    page.wait_for_selector("dialog.zoomed img")
    assert not visitor.complaints


def test_the_first_column_of_the_matrix_stays_while_the_rest_scrolls(
    measured: None, browser: Browser, server: PageServer
) -> None:
    page = Visitor(browser, server, "phone").go("/s/small/probe")
    head = page.locator(".matrix").first.get_by_role("rowheader", name="IN05")
    before = head.bounding_box()
    page.locator(".matrix-scroll").first.evaluate("element => element.scrollLeft = 200")
    after = head.bounding_box()
    assert before
    assert after
    assert abs(after["x"] - before["x"]) <= 1
    assert before["x"] >= 0


def test_no_row_of_the_matrix_is_hidden_in_a_low_window(measured: None, browser: Browser, server: PageServer) -> None:
    page = Visitor(browser, server, "phone").go("/s/small/probe")
    page.set_viewport_size({"width": 390, "height": 200})
    hidden = "all => all.filter(one => one.scrollHeight > one.clientHeight + 1).length"
    assert page.locator(".matrix-scroll").evaluate_all(hidden) == 0


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_no_page_has_faults(
    measured: None, browser: Browser, server: PageServer, window: str, scheme: str, locale: str
) -> None:
    visitor = Visitor(browser, server, window, color_scheme=scheme, locale=locale)
    for place in PLACES:
        page = visitor.go(f"/s/small{place}")
        page.wait_for_selector("meta[http-equiv=refresh]", state="detached", timeout=120_000)
        assert page.evaluate("document.documentElement.lang") == locale[:2], place
        assert page.evaluate("document.documentElement.scrollWidth") <= WINDOWS[window][0], place
        assert not visitor.faults(), place
    assert not visitor.complaints


def test_every_page_can_be_read_without_scripts(measured: None, browser: Browser, server: PageServer) -> None:
    visitor = Visitor(browser, server, java_script_enabled=False)
    for place in PLACES:
        assert visitor.go(f"/s/small{place}").locator("h1").inner_text()
