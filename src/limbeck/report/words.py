"""Numbers as a reader wants them: rounded, with units and thousands separators; absent ones as "not known" with why.

Knows nothing of pages, charts or where the numbers come from.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from markupsafe import Markup

from limbeck.report.block import Block

SPACE = "\u00a0"
UNKNOWN = "not known"
Writer = Callable[[float], str]


def count(value: float) -> str:
    """1500 → 1,500."""
    return f"{round(value):,}"


def decimal(value: float, places: int = 2) -> str:
    """0.3333 → 0.33, with a true minus sign."""
    written = f"{value:.{places}f}"
    return "0" if float(written) == 0 else written.replace("-", "\u2212")


def fine(value: float) -> str:
    """0.0523 → 0.052."""
    return decimal(value, 3)


def percent(value: float) -> str:
    """0.832 → 83.2 %."""
    return f"{bare_percent(value)}{SPACE}%"


def bare_percent(value: float) -> str:
    """0.832 → 83.2, for ranges whose end brings the sign."""
    return f"{value * 100:.0f}" if value in (0, 1) else decimal(value * 100, 1)


def points(value: float) -> str:
    """A difference of shares: 0.022 → 2.2 points."""
    return f"{decimal(abs(value) * 100, 1)} points"


def change(value: float) -> str:
    """The same with its sign: −0.004 → −0.4 points."""
    written = decimal(value * 100, 1)
    return f"{'' if written.startswith(chr(0x2212)) or written == '0' else '+'}{written} points"


def span(interval: tuple[float, float] | None, *, parts: str = "percent") -> str:
    """An interval in brackets, or nothing: (80.1 to 86.0)."""
    if interval is None:
        return ""
    write = bare_percent if parts == "percent" else fine
    return f"({write(interval[0])} to {write(interval[1])})"


def plural(value: float, one: str, many: str | None = None) -> str:
    """1 text, 1,500 texts."""
    return f"{count(value)}{SPACE}{one if round(value) == 1 else many or one + 's'}"


def rate(value: float) -> str:
    """Three significant digits: 20.1, 300, 0.42."""
    if value >= 100:
        return count(value)
    return decimal(value, 1) if value >= 10 else decimal(value, 2)


def duration(seconds: float) -> str:
    """Seconds as people say them: 4 min 10 s, 2 h 5 min."""
    if seconds < 9.95:
        return f"{decimal(seconds, 1 if seconds >= 0.95 else 2)}{SPACE}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{SPACE}s"
    if whole < 3600:
        return _two(whole, 60, "min", "s")
    if whole < 86400:
        return _two(round(whole / 60), 60, "h", "min")
    return _two(round(whole / 3600), 24, "d", "h")


def _two(value: int, unit: int, large: str, small: str) -> str:
    most, rest = divmod(value, unit)
    return f"{most}{SPACE}{large}" + (f"{SPACE}{rest}{SPACE}{small}" if rest else "")


def size(value: float) -> str:
    """Bytes in decimal units: 1.5 GB."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while abs(value) >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    written = count(value) if units[0] == "bytes" or value >= 99.5 else decimal(value, 1)
    return f"{written}{SPACE}{units[0]}"


def energy(joules: float) -> str:
    """Joules with watt-hours beside them: 12.3 kJ (3.4 Wh)."""
    written = f"{decimal(joules / 1000, 1)}{SPACE}kJ" if joules >= 1000 else f"{count(joules)}{SPACE}J"
    return f"{written} ({decimal(joules / 3600, 1 if joules >= 3600 else 2)}{SPACE}Wh)"


def moment(stamp: str | None) -> str | None:
    """2026-11-22T12:00:00Z → 22 November 2026, 12:00 UTC; what is no time stays as it is."""
    if stamp is None:
        return None
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    zone = when.tzname() or ""
    return f"{when.day} {when:%B %Y, %H:%M} {zone}".strip()


def why(block: Block, key: str, *, parent: Block | None = None, name: str = "") -> str | None:
    """Why a value is absent: its own reason, or that of the block it stands in."""
    return block.reason(key) or (parent.reason(name) if parent is not None else None)


def fact(block: Block, key: str, write: Writer, *, parent: Block | None = None, name: str = "") -> Markup:
    """A value, with its interval where there is one; or "not known" with the reason."""
    value: Any = getattr(block, key)
    if value is None:
        reason = why(block, key, parent=parent, name=name)
        because = Markup(' <span class="why">({})</span>').format(reason) if reason else ""
        return Markup('<span class="unknown">{}</span>{}').format(UNKNOWN, because)
    written = write(value)
    interval = getattr(block, f"{key}_interval", None)
    if interval is None:
        return Markup('<span class="n">{}</span>').format(written)
    parts = "percent" if write is percent else "plain"
    return Markup('<span class="n">{}</span> <span class="ci">{}</span>').format(written, span(interval, parts=parts))


def compared(value: float | None, other: float | None) -> str:
    """How a share stands to another: "2.2 points below", "level with"; nothing when either is absent."""
    if value is None or other is None:
        return ""
    if abs(value - other) < 0.0005:
        return "level with"
    return f"{points(value - other)} {'above' if value > other else 'below'}"
