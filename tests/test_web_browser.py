"""A study of 40 pairs in a real browser: frozen, rated by three raters with the keyboard alone, closed and reported."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from limbeck.report.study import write_study_report
from limbeck.study import Study, close, freeze, new, results
from toy_study import LONG, begin, write_runs

CHROMIUM = Path("/usr/bin/chromium")
playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("uvicorn")
pytestmark = [pytest.mark.extras, pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs {CHROMIUM}")]
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> javascript:alert(3)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[dict[str, str]]:
    """The real command; yields the raters' links."""
    command = [sys.executable, "-m", "limbeck", "serve", str(folder), "--port", str(port), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("}"):
                break
        yield json.loads(said)["links"]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 0


class Seat:
    """One rater's browser window; whatever it asks for and complains about is written down."""

    def __init__(self, browser: Any, link: str, *, width: int = 1280, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.messages: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", lambda dialog: self.messages.append(dialog.message))
        self.page.goto(link)
        self.page.wait_for_selector("h1")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def head(self) -> str:
        return str(self.page.locator("h1").inner_text())

    def after(self, head: str) -> str:
        """Wait until another page is shown."""
        self.page.wait_for_function("head => document.querySelector('h1').innerText !== head", arg=head)
        return self.head()

    def fits(self) -> bool:
        across, inner = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        return bool(across <= inner)


def rate(seat: Seat, rater: str) -> None:
    """From consent to thanks with the keyboard; prefers the long reasoning, the third rater mostly ties."""
    seat.press("Enter")
    head = seat.after("Before you begin")
    while head != "Thank you":
        if head == "Practice" and seat.page.locator(".verdict").count():
            seat.press("Enter")
            seat.page.wait_for_function("!document.querySelector('.verdict')")
            head = seat.head()
            continue
        texts = seat.page.locator(".output").all_inner_texts()
        choice = 3 if rater == "rater-3" and head.endswith("5 of 47") else 1 + (LONG in texts[1])
        seat.press(str(choice), "Enter")
        if head == "Practice":
            seat.page.wait_for_selector(".verdict")
        else:
            head = seat.after(head)


def test_forty_pairs_from_freezing_to_the_report(browser: Any, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    new(folder, write_runs(tmp_path, n=40), kind="rationales", method="pairs", margin=0.2)
    freeze(folder)
    with serving(folder) as links:
        windows = {"rater-1": (1280, "light"), "rater-2": (390, "dark"), "rater-3": (320, "light")}
        for rater, (width, scheme) in windows.items():
            seat = Seat(browser, links[rater], width=width, scheme=scheme)
            rate(seat, rater)
            assert seat.fits()
            assert seat.messages == []
            host = links[rater].partition("/r/")[0]
            assert [url for url in seat.requests if not url.startswith((host, "data:"))] == []
            assert "/r/" not in seat.page.url
            seat.context.close()
    assert close(folder)["answered"] == 3 * (40 + 3 + 4)
    found = results(folder)
    assert found["criteria"][0]["wins"]["second"] > 100
    assert found["criteria"][0]["difference"] < -0.8
    (folder / "study.json").write_text(json.dumps(found), encoding="utf-8")
    page = write_study_report(folder)
    assert page.stat().st_size < 2_000_000
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390)):
        shown = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        requests: list[str] = []
        shown.on("request", lambda request, seen=requests: seen.append(request.url))
        shown.goto(page.as_uri())
        assert [url for url in requests if not url.startswith("data:")] == [page.as_uri()]
        across, inner = shown.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert across <= inner
        shown.close()


def test_reload_undo_skip_comment_and_a_lost_connection(browser: Any, tmp_path: Path) -> None:
    folder = begin(tmp_path, method="pairs", change={"checks": (), "repeats": 0})
    with serving(folder) as links:
        seat = Seat(browser, links["rater-1"])
        port = int(links["rater-1"].partition("/r/")[0].rpartition(":")[2])
        seat.press("Enter")
        first = seat.after("Before you begin")
        seat.press("2", "c")
        seat.page.keyboard.type("so so")
        seat.page.reload()
        seat.page.wait_for_selector("fieldset")
        assert seat.page.locator("textarea").input_value() == "so so"
        assert seat.page.locator("input:checked").get_attribute("value") == "1"
        seat.press("Enter")
        second = seat.after(first)
        seat.press("u")
        assert seat.after(second) == first
        seat.press("1", "Enter")
        seat.after(first)
        seat.press("s")
        seat.page.keyboard.type("torn")
        seat.press("Enter")
        third = seat.after(second)
    # The server is gone: what is answered now waits, through a reload of its message, until it is back.
    seat.press("3", "Enter")
    seat.page.wait_for_selector("#status.trouble")
    assert "Not saved yet" in seat.page.locator("#status").inner_text()
    with serving(folder, port):
        seat.page.wait_for_function(
            "head => document.querySelector('h1').innerText !== head", arg=third, timeout=20_000
        )
        assert seat.head() == "Page 4 of 12"
    with Study.read(folder) as study:
        kinds = [one.kind for one in study.history()]
        assert kinds == ["consent", "answer", "undo", "answer", "skip", "answer"]
        answers = [one.answers for one in study.current().values()]
        assert answers == [{"preference": 0}, None, {"preference": 2}]
        comments = [one.comment for one in study.history() if one.comment]
        assert comments == ["so so"]


def test_hostile_text_is_shown_as_text(browser: Any, tmp_path: Path) -> None:
    check = {"role": "gold", "context": HOSTILE, "texts": (HOSTILE,) * 2, "right": {}}
    folder = begin(tmp_path, n=1, method="pairs", change={"name": HOSTILE, "consent": HOSTILE, "checks": (check,) * 3})
    with serving(folder) as links:
        seat = Seat(browser, links["rater-1"])
        assert HOSTILE in seat.page.locator("#stage").inner_text()
        seat.press("Enter")
        head = seat.after("Before you begin")
        while head != "Thank you":
            seat.press("1", "Enter")
            head = seat.after(head)
        assert seat.messages == []
        assert not seat.page.locator("img").count()


def test_every_control_has_a_name_and_its_key(browser: Any, tmp_path: Path) -> None:
    folder = begin(tmp_path, change={"checks": ()})
    with serving(folder) as links:
        seat = Seat(browser, links["rater-1"])
        seat.press("Enter")
        seat.after("Before you begin")
        for button in seat.page.locator("button:visible").all():
            assert button.locator("kbd").count() == 1
            assert button.get_attribute("aria-keyshortcuts")
        assert seat.page.get_by_role("radiogroup").count() + seat.page.get_by_role("group").count() == 3
        assert seat.page.get_by_role("radio", name="mostly").count() == 2
        assert seat.page.get_by_role("textbox", name="Comment").count() == 1
        assert seat.page.get_by_role("progressbar", name="of 27 done").count() == 1
        seat.press("g")
        assert seat.page.get_by_role("dialog", name="Guidelines").is_visible()
        seat.press("Escape", "p")
        assert seat.page.get_by_role("dialog", name="Paused").is_visible()
