"""One question after the other at a terminal, one key per label.

Knows nothing of how items were chosen or where answers are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import click
from rich.console import Console as Terminal
from rich.text import Text

from limbeck.console.terminal import printable
from limbeck.flows.export import text_of
from limbeck.flows.gold import Asked, Move

MOVES = {"u": Move.UNDO, "s": Move.SKIP, "q": Move.QUIT}
# One key per label; the moves' letters are left out.
KEYS = "123456789" + "".join(letter for letter in "abcdefghijklmnopqrstuvwxyz" if letter not in MOVES)


class Screen:
    """Shows an item and waits for a key. What the committee thinks is not shown: it would pull the answer its way.

    With more labels than keys a line is read instead: a label's number, or the beginning of its name.

    Args:
        question: what is asked.
        labels: of the task → what they mean, or None.
        show: fields of the items.
        key: waits for a key.
        line: waits for a line.
    """

    def __init__(
        self,
        question: str,
        labels: Mapping[str, str | None],
        show: Sequence[str],
        *,
        key: Callable[[], str] = click.getchar,
        line: Callable[[], str] = lambda: click.prompt("label", prompt_suffix=": ", err=True),
    ) -> None:
        self._terminal = Terminal(stderr=True, highlight=False)
        self._question, self._labels, self._show = question, labels, show
        self._keys = dict(zip(KEYS, labels, strict=False)) if len(labels) <= len(KEYS) else None
        self._read = key if self._keys is not None else line

    def __call__(self, asked: Asked) -> str | Move:
        """The label chosen, or a move."""
        self._terminal.rule(f"{asked.number} of {asked.total}")
        if asked.number == 1:
            self._terminal.print(Text(printable(self._question), style="dim"))
        self._terminal.print(Text(printable(text_of(asked.item, self._show)), style="bold"))
        names = self._keys or {str(number): label for number, label in enumerate(self._labels, 1)}
        if asked.number == 1 or self._keys is not None:
            for key, label in names.items():
                about = f"  {meaning}" if (meaning := self._labels[label]) else ""
                self._terminal.print(Text(printable(f"  {key}  {label}{about}")))
        self._terminal.print(Text("  s skip   u undo   q quit, and go on later", style="dim"))
        while True:
            typed = self._read().strip().lower()
            if typed in MOVES:
                return MOVES[typed]
            if typed in names:
                return names[typed]
            near = [label for label in self._labels if typed and label.lower().startswith(typed)]
            if self._keys is None and len(near) == 1:
                return near[0]
            self._terminal.print(Text("  that is none of the choices", style="red"))
