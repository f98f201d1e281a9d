"""What a person at a terminal sees: progress while something runs, results as text or JSON, errors on one place."""

from limbeck.console.branches import shown_tree
from limbeck.console.terminal import (
    Console,
    Patience,
    checklist,
    complain,
    pairs,
    plan,
    speak_utf8,
    table,
    until_hung_up,
    writing,
)
from limbeck.console.verb import CHANGED, command

__all__ = [
    "CHANGED",
    "Console",
    "Patience",
    "checklist",
    "command",
    "complain",
    "pairs",
    "plan",
    "shown_tree",
    "speak_utf8",
    "table",
    "until_hung_up",
    "writing",
]
