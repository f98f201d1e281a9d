"""What a person at a terminal sees: progress while something runs, results as text or JSON, errors on one place.

Knows nothing of what the results mean.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from rich import progress as bars
from rich.console import Console as Terminal
from rich.console import RenderableType
from rich.markup import escape

from limbeck.doctor import Check
from limbeck.errors import RunError
from limbeck.flows.job import Notify, Progress, silent
from limbeck.flows.summary import duration

# Without a terminal a line of progress comes at most so often, in seconds.
_EVERY = 10.0


class Console:
    """Where one command prints.

    Args:
        as_json: results as JSON on standard output.
        quiet: nothing but errors.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json, self._quiet = as_json, quiet
        self._error = Terminal(stderr=True, highlight=False)

    def result(self, value: Any, text: str | RenderableType) -> None:
        """Print a result: `value` as JSON, or `text`, which may have colours."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=list) + "\n")
        elif not self._quiet and isinstance(text, str):
            sys.stdout.write(printable(text) + "\n")
        elif not self._quiet:
            Terminal(highlight=False).print(text)

    def say(self, line: str) -> None:
        """Print a line about what is going on."""
        if not self._quiet:
            self._error.print(escape(line), soft_wrap=True)

    @contextmanager
    def progress(self) -> Iterator[Notify]:
        """Bars on a terminal, lines elsewhere, nothing when quiet."""
        if self._quiet:
            yield silent
        elif self._error.is_terminal:
            with bars.Progress(
                bars.TextColumn("{task.description:>9}"),
                bars.BarColumn(),
                bars.MofNCompleteColumn(),
                bars.TextColumn("{task.fields[rate]}"),
                bars.TimeRemainingColumn(),
                bars.TextColumn("[red]{task.fields[failed]}"),
                console=self._error,
            ) as shown:
                yield _Bars(shown)
        else:
            yield _Lines(self._error)


class _Bars:
    def __init__(self, shown: bars.Progress) -> None:
        self._shown = shown
        self._known: dict[str, tuple[bars.TaskID, float, int]] = {}

    def __call__(self, at: Progress) -> None:
        if at.phase not in self._known or at.done == 0:
            if at.phase in self._known:
                self._shown.remove_task(self._known[at.phase][0])
            bar = self._shown.add_task(at.phase, total=at.total, rate="", failed="")
            self._known[at.phase] = (bar, time.monotonic(), at.done)
        bar, begun, first = self._known[at.phase]
        failed = f"{at.failed} failed" if at.failed else ""
        rate = _rate(at.done - first, time.monotonic() - begun)
        self._shown.update(bar, completed=at.done, total=at.total, rate=rate, failed=failed)


class _Lines:
    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._known: dict[str, tuple[float, int]] = {}
        self._last = float("-inf")

    def __call__(self, at: Progress) -> None:
        now = time.monotonic()
        if at.phase not in self._known or at.done == 0:
            self._known[at.phase] = (now, at.done)
        begun, first = self._known[at.phase]
        if at.done < at.total and now - self._last < _EVERY:
            return
        self._last = now
        parts = [f"{at.phase}: {at.done:,}/{at.total:,}", _rate(at.done - first, now - begun)]
        if at.done > first and at.done < at.total:
            parts.append(f"{duration((now - begun) * (at.total - at.done) / (at.done - first))} left")
        if at.failed:
            parts.append(f"{at.failed:,} failed")
        self._terminal.print(escape(", ".join(filter(None, parts))), soft_wrap=True)


def _rate(done: int, seconds: float) -> str:
    return f"{done / seconds:,.1f}/s" if done > 0 and seconds > 0.5 else ""


class Patience:
    """Ctrl-C and SIGTERM: while somebody listens, the batch at work is finished and kept first; a second stops at once.

    Before and after that, the first one stops at once too.
    """

    def __init__(self) -> None:
        self._asked = self._listening = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Patience:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def listening(self, notify: Notify) -> Notify:
        """The same, but it raises KeyboardInterrupt once somebody asked to stop."""
        self._listening = True

        def told(at: Progress) -> None:
            notify(at)
            if self._asked:
                raise KeyboardInterrupt

        return told

    def _stop(self, *_: object) -> None:
        if self._asked or not self._listening:
            raise KeyboardInterrupt
        self._asked = True
        # A signal may come in the middle of a write to the stream; the system call alone is safe then.
        os.write(2, b"\nfinishing the batch at work; once more stops at once\n")


def speak_utf8() -> None:
    """Write UTF-8 whatever the locale: what is printed may be read by another program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


@contextmanager
def until_hung_up() -> Iterator[None]:
    """Ends in silence when the reader of standard output has seen enough, as `head` does."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in the buffer goes nowhere, or Python would complain about it at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(message: str) -> None:
    """Print an error."""
    sys.stderr.write(printable(message) + "\n")


@contextmanager
def writing(target: Path | None) -> Iterator[TextIO]:
    """A file, which is there whole or not at all, or standard output.

    Raises:
        RunError: when the file cannot be written.
    """
    if target is None:
        yield sys.stdout
        return
    # A pipe or a device is written as it is; putting a file in its place would break it.
    plain = target.is_file() or not target.exists()
    partial = target.with_name(target.name + ".partial") if plain else target
    try:
        with partial.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        if plain:
            partial.replace(target)
    except OSError as error:
        raise RunError(f"{target}: cannot be written: {error.strerror or error}", hint="Check the folder.") from error


def checklist(checks: Sequence[Check]) -> str:
    """The doctor's findings, one line each, and below a missing one what to do."""
    lines = []
    for check in checks:
        lines.append(f"{'ok     ' if check.ok else 'missing'}  {check.name}: {check.found}")
        if check.advice:
            lines.append(f"           {check.advice}")
    return "\n".join(lines)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of equal keys in columns."""
    if not rows:
        return "nothing"
    cells = [[str(name) for name in rows[0]], *([str(value or "") for value in row.values()] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells)


def pairs(found: Mapping[str, Any]) -> str:
    """Names and values, one a line."""
    lines = []
    for name, value in found.items():
        shown = duration(value) if name.endswith("_s") else f"{value:,}" if type(value) is int else value
        if isinstance(value, Mapping):
            shown = ", ".join(f"{key} {number:,}" for key, number in value.items()) or "none"
        lines.append(f"{name.removesuffix('_s').replace('_', ' ')}: {shown}")
    return "\n".join(lines)


def plan(found: Mapping[str, Any]) -> str:
    """A prediction with its ranges."""
    agents = ", ".join(
        f"{name} {1 / max(one['seconds_per_item'], 1e-9):.1f} items/s" for name, one in found["pilot"]["agents"].items()
    )
    return "\n".join(
        [
            f"{found['items']:,} items and {found['test_items']:,} test items, {found['votes']:,} votes, "
            f"{found['rounds']} rounds",
            f"pilot of {found['pilot']['items']} items: {agents}",
            f"time    {_span(found['wall_s'], duration)}",
            f"tokens  {_span(found['tokens'], lambda n: f'{n:,.0f}')}",
            f"memory  {_span(found['memory_bytes'], _size)}",
            f"disk    {_span(found['disk_bytes'], _size)}",
            f"({found['rests_on']})",
        ]
    )


def _span(found: Mapping[str, float], show: Any) -> str:
    return f"{show(found['value'])}  ({show(found['low'])} to {show(found['high'])})"


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def printable(text: str) -> str:
    """Text without control characters that could drive the terminal."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\ufffd" for c in text)
