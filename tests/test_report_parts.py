"""The report's small parts: numbers in words, texts made visible, traces taken out, label places, colours."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import limbeck.report
from limbeck.report import words
from limbeck.report.safety import cut, visible, without_traces
from limbeck.report.svg import apart

STYLE = (Path(limbeck.report.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("write", "value", "written"),
    [
        (words.percent, 0.8321, "83.2 %"), (words.percent, 1.0, "100 %"), (words.percent, 0.0, "0 %"),
        (words.percent, 0.9999, "100.0 %"), (words.count, 1234567, "1,234,567"), (words.decimal, -0.336, "−0.34"),
        (words.decimal, -0.001, "0"), (words.duration, 0.042, "0.04 s"), (words.duration, 4.21, "4.2 s"),
        (words.duration, 9.96, "10 s"), (words.duration, 59.7, "1 min"), (words.duration, 250.3, "4 min 10 s"),
        (words.duration, 3599.9, "1 h"), (words.duration, 7500, "2 h 5 min"), (words.duration, 90000, "1 d 1 h"),
        (words.size, 999, "999 bytes"), (words.size, 1_204_000, "1.2 MB"), (words.size, 999_600, "1.0 MB"),
        (words.size, 1.5e9, "1.5 GB"), (words.size, 3e15, "3,000 TB"), (words.energy, 12_300, "12.3 kJ (3.4 Wh)"),
        (words.energy, 850, "850 J (0.24 Wh)"), (words.rate, 304.2, "304"), (words.rate, 20.13, "20.1"),
        (words.rate, 0.42, "0.42"), (words.points, -0.0221, "2.2 points"),
    ],
)  # fmt: skip
def test_numbers_in_words(write: Callable[[float], str], value: float, written: str) -> None:
    assert write(value).replace("\u00a0", " ") == written


def test_intervals_and_comparisons() -> None:
    assert words.span((0.801, 0.86)) == "(80.1 to 86.0)"
    assert words.span((0.04, 0.061), parts="plain") == "(0.040 to 0.061)"
    assert words.span(None) == ""
    assert words.compared(0.81, 0.832) == "2.2 points below"
    assert words.compared(0.832, 0.832) == "level with"
    assert words.compared(None, 0.8) == ""
    assert words.plural(1, "text") == "1\u00a0text"
    assert words.plural(1500, "text") == "1,500\u00a0texts"


def test_moments() -> None:
    assert words.moment("2026-11-22T12:00:00Z") == "22 November 2026, 12:00 UTC"
    assert words.moment("yesterday") == "yesterday"
    assert words.moment(None) is None


@given(st.floats(0, 1e7))
def test_durations_never_show_a_full_unit(seconds: float) -> None:
    assert not re.search(r"(?<![.\d])(60\s(s|min)|24\sh)\b", words.duration(seconds))


@given(st.text(st.characters()) | st.text("\ud800\u202e\x00\x85\u2028\ufeff\r\n\tابc👩‍🚀"))
def test_visible_texts_can_be_written_and_hide_nothing(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert visible(shown) == shown
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]", shown)


def test_visible_leaves_ordinary_texts_alone() -> None:
    for text in ("Grüße, 世界", "שלום", "a\tb\nc", "👩\u200d🚀", "می\u200cخواهم"):
        assert visible(text) == text
    assert visible("a\r\nb\u202ec") == "a\nb⟨U+202E⟩c"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("and/or, 3/4, n/a, a / b, yes/no", None), ("HfArgumentParser, tokens: 5, secretary", None),
        ("hf:owner/name", None), ("runs/one/metrics.json", None), ("ratio 1/2/3", None),
        ("in /home/ann/run/x.csv: no", "in …/x.csv: no"), ("in /home/ann", "in …"), ("~/data/x.csv", "…/x.csv"),
        ("'/home/ann b/c d.csv'", "'…/c d.csv'"), (r"C:\Users\ann\x.csv", "…/x.csv"), ("/tmp/x1/y", "…/y"),
        ("/Users/ann lee/models/m.gguf", "…/m.gguf"), ("API_KEY=abc123", "API_KEY=[removed]"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer [removed]"),
        ("key hf_abcdefghijklmnop", "key [removed]"), ("ftp://ann:pw@host/x", "ftp://[removed]@host/x"),
    ],
)  # fmt: skip
def test_traces_go_and_the_rest_stays(text: str, kept: str | None) -> None:
    assert without_traces(text) == (text if kept is None else kept)


def test_cut_says_how_long_it_was() -> None:
    assert cut("short", 10) == "short"
    assert cut("abc " * 500, 7) == "abc abc … (2,000 characters in all)"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_names_of_lines_never_overlap(wanted: list[float]) -> None:
    placed = sorted(apart(wanted, gap=0.1))
    assert all(after - before >= 0.1 - 1e-9 for before, after in itertools.pairwise(placed))


def test_names_with_room_stay_where_they_are() -> None:
    assert apart([0.9, 0.1, 0.5], gap=0.1) == [0.9, 0.1, 0.5]
    assert apart([0.5, 0.5], gap=0.1) == pytest.approx([0.45, 0.55])


def _palettes() -> list[dict[str, str]]:
    found = re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)
    assert len(found) == 3, "light, dark, print"
    return [dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6});", block)) for block in found]


def _channels(colour: str) -> list[float]:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    return [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]


def _contrast(one: list[float], other: list[float]) -> float:
    def luminance(channels: list[float]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", _palettes(), ids=["light", "dark", "print"])
def test_letters_are_readable_on_every_ground(palette: dict[str, str]) -> None:
    """WCAG 2.2 AA: 4.5 for text, 3 for the parts of a drawing."""
    paper, raised = _channels(palette["paper"]), _channels(palette["raised"])
    for name in ("ink", "muted", "committee", "student", "person", "caution", "link"):
        assert _contrast(_channels(palette[name]), paper) >= 4.5, name
    for name in ("ink", "muted"):
        assert _contrast(_channels(palette[name]), raised) >= 4.5, name
    strongest = int(re.findall(r"calc\(var\(--share\) \* (\d+)%\)", STYLE)[0]) / 100
    for name in ("committee", "student"):
        tint = [strongest * c + (1 - strongest) * p for c, p in zip(_channels(palette[name]), paper, strict=True)]
        assert _contrast(_channels(palette["ink"]), tint) >= 4.5, name
    assert _contrast(_channels(palette["muted"]), _channels(palette["grid"])) >= 3
    assert _contrast(_channels(palette["committee"]), _channels(palette["grid"])) >= 3
