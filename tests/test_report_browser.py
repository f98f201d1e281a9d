"""The report in a real browser: no request, no message on the console, no blank picture, no sideways scrolling."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limbeck.report import render
from report_page import HOSTILE, every_leaf
from report_sample import TWELVE, sample, without_gold

CHROMIUM = Path("/usr/bin/chromium")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.extras, pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs {CHROMIUM}")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


def _poisoned() -> dict[str, Any]:
    poisoned: dict[str, Any] = every_leaf(sample(), lambda leaf: leaf + HOSTILE if isinstance(leaf, str) else leaf)
    return poisoned


PAGES = {"full": sample, "no-gold": without_gold, "twelve": lambda: sample(TWELVE), "hostile": _poisoned}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_keeps_to_itself_and_fits_its_screen(browser: Any, tmp_path: Path, name: str) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(PAGES[name]()), encoding="utf-8")
    pictures = {}
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390), ("light", 320)):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        requests: list[str] = []
        messages: list[str] = []
        page.on("request", lambda request, seen=requests: seen.append(request.url))
        page.on("console", lambda message, seen=messages: seen.append(message.text))
        page.on("pageerror", lambda error, seen=messages: seen.append(str(error)))
        page.on("dialog", lambda dialog, seen=messages: seen.append(dialog.message))
        page.goto(file.as_uri())
        assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]
        assert messages == []
        across, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert across <= inner, f"{across} pixels of content on a screen of {inner}"
        pictures[scheme, width] = page.screenshot()
        page.close()
    assert len(set(pictures.values())) == 4
    # A blank picture of this size takes about 5 kB as PNG.
    assert min(len(picture) for picture in pictures.values()) > 15_000


def test_dark_is_dark_and_light_is_light(browser: Any) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.set_content(render({}))
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        grounds[scheme] = sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
        page.close()
    assert grounds["dark"] < 150 < 600 < grounds["light"]


def test_prints_every_number_on_paper(browser: Any) -> None:
    page = browser.new_page(color_scheme="dark")
    page.set_content(render(sample()))
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("details pre").first.evaluate("node => node.getBoundingClientRect().height") > 0
    assert page.pdf(prefer_css_page_size=True)[:5] == b"%PDF-"
    page.close()
