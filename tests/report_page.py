"""A reader of report pages for the tests: what a browser would find in one, and what must never be there."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

NBSP = "\u00a0"
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><a href='javascript:alert(3)'>"
    "{{ 7*7 }}\u202eabc\x00\ud800"
)
VOID = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """What a browser would see: tags, attributes and text; and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.problems: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words)).replace(NBSP, " ")

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def every_leaf(value: Any, change: Callable[[Any], Any]) -> Any:
    """A JSON value with `change` applied to each leaf."""
    if isinstance(value, dict):
        return {key: inner if key == "schema" else every_leaf(inner, change) for key, inner in value.items()}
    return [every_leaf(inner, change) for inner in value] if isinstance(value, list) else change(value)


def check_harmless(html: str) -> Page:
    """No script, no handler, no address outside the page, balanced tags, no Python value leaking into the text."""
    page = Page(html)
    assert not page.problems
    assert not page.open
    for tag in ("script", "img", "iframe", "object", "embed", "form", "base"):
        assert not page.named(tag), tag
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("src", "srcset", "action")
            if name in ("href", "xlink:href"):
                assert (value or "").startswith("#") or value == "data:,"
            if name not in ("aria-label", "content"):
                assert not re.search(r"https?://|javascript:|url\((?!#)", value or "")
    style = html[html.index("<style>") : html.index("</style>")]
    assert not re.search(r"@import|url\(|https?:", style)
    assert not re.search(r"\b(None|nan|NaN|inf|Undefined|Markup)\b", page.text)
    assert len(html.encode()) < 1_000_000
    return page
