"""matplotlib figures as inline SVG: colours become CSS variables, text stays text, ids cannot clash on a page.

Knows nothing of metrics or of what a figure shows.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib import rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Sentinels: colours that stand for a CSS variable until the drawing is written.
INK, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
COMMITTEE, STUDENT, PERSON = "#050505", "#060606", "#070707"
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    COMMITTEE: "var(--committee)",
    STUDENT: "var(--student)",
    PERSON: "var(--person)",
}
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "limbeck",
    "text.usetex": False,
    "font.family": ["DejaVu Sans"],
    "path.simplify": False,
    "axes.unicode_minus": False,
}
LETTERS = 12.0


@dataclass(frozen=True, slots=True)
class Frame:
    """The size of a drawing and its margins, in CSS pixels."""

    width: int
    height: int
    left: int = 46
    right: int = 16
    top: int = 12
    bottom: int = 44


class Drawing:
    """One drawing: a figure with a single plain axes, to be turned into inline SVG."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.figure = Figure(figsize=(frame.width / 72, frame.height / 72), dpi=72)
        self.figure.patch.set_visible(False)
        inner_width = frame.width - frame.left - frame.right
        inner_height = frame.height - frame.top - frame.bottom
        self.axes: Axes = self.figure.add_axes(
            (
                frame.left / frame.width,
                frame.bottom / frame.height,
                inner_width / frame.width,
                inner_height / frame.height,
            )
        )
        self.axes.patch.set_visible(False)
        for side in ("top", "right", "left"):
            self.axes.spines[side].set_visible(False)
        self.axes.spines["bottom"].set_color(MUTED)
        self.axes.spines["bottom"].set_linewidth(1)
        self.axes.tick_params(length=0, pad=6, labelsize=LETTERS, labelcolor=MUTED)
        self.axes.grid(axis="y", color=GRID, linewidth=1)
        self.axes.set_axisbelow(True)

    def say_x(self, words: str) -> None:
        """Name the horizontal axis, below it and to the right."""
        self.axes.annotate(
            words,
            (1, 0),
            xycoords="axes fraction",
            xytext=(0, -self.frame.bottom + 5),
            textcoords="offset pixels",
            ha="right",
            va="bottom",
            color=MUTED,
            fontsize=LETTERS,
        )

    def say_line(self, words: str, at: float, *, colour: str) -> None:
        """Name a line at its right-hand end: `at` is where the name stands, as a share of the axes' height."""
        self.axes.annotate(
            words,
            (1, at),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset pixels",
            ha="left",
            va="center",
            color=colour,
            fontsize=LETTERS,
        )

    def inline(self, name: str, label: str, *, css: str = "") -> Markup:
        """The drawing as inline SVG; `name` must be unique on the page, `label` says in words what it shows."""
        written = io.StringIO()
        canvas = FigureCanvasSVG(self.figure)
        canvas.print_svg(written, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        body = _tidied(written.getvalue(), name)
        return Markup(
            '<svg class="{}" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>'
        ).format(
            css, self.frame.width, self.frame.height, self.frame.width, self.frame.height, label, Markup(body)
        )  # fmt: skip


@contextmanager
def plain_style() -> Iterator[None]:
    """Draw with matplotlib's own defaults, whatever the user's matplotlibrc says; needed around every drawing."""
    defaults = {key: value for key, value in rcParamsDefault.items() if not key.startswith("backend")}
    with rc_context({**defaults, **_STYLE}):
        yield


def _tidied(document: str, name: str) -> str:
    """The inside of matplotlib's SVG without what an HTML page must not get: global styles, metadata, foreign ids."""
    body = document[document.index(">", document.index("<svg")) + 1 : document.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href=", "href=")
    # Releases of matplotlib write the font in one or in two properties; the page's own family is wanted.
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = re.sub(r"font: (?:\S+ )*?([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    for sentinel, variable in _VARIABLES.items():
        body = body.replace(sentinel, variable)
    used = dict.fromkeys(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", body))
    fresh = {old: f"{name}-{number}" for number, old in enumerate(used)}
    body = re.sub(r' id="([^"]*)"', lambda found: f' id="{fresh[found[1]]}"' if found[1] in fresh else "", body)
    body = re.sub(r"(url\(#|href=\"#)([^)\"]+)", lambda found: found[1] + fresh[found[2]], body)
    return re.sub(r"\s*\n\s*", "\n", body).strip()


def apart(wanted: list[float], *, gap: float) -> list[float]:
    """Positions as near to `wanted` as can be with at least `gap` between them, in the order given."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[tuple[float, list[int]]] = []
    for index in order:
        groups.append((wanted[index], [index]))
        while len(groups) > 1 and _overlap(groups[-2], groups[-1], gap):
            (low, before), (high, after) = groups[-2:]
            middle = (low * len(before) + high * len(after)) / (len(before) + len(after))
            groups[-2:] = [(middle, before + after)]
    placed = [0.0] * len(wanted)
    for middle, members in groups:
        for place, index in enumerate(members):
            placed[index] = middle + (place - (len(members) - 1) / 2) * gap
    return placed


def _overlap(below: tuple[float, list[int]], above: tuple[float, list[int]], gap: float) -> bool:
    return above[0] - below[0] < gap * (len(below[1]) + len(above[1])) / 2
