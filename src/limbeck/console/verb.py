"""What every verb of the command line has: --json, --quiet, and an example at the end of its help.

Knows nothing of what verbs do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from limbeck.console.terminal import Console, until_hung_up

CHANGED = click.option(
    "--set", "changed", multiple=True, metavar="KEY=VALUE", help="Another value for a key, such as budget.items=200."
)


def command(example: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A verb with --json and --quiet, and an example at the end of its help."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @wraps(function)
        def inner(*args: Any, as_json: bool, quiet: bool, **options: Any) -> None:
            with until_hung_up():
                function(*args, out=Console(as_json=as_json, quiet=quiet), **options)

        inner = click.option("--quiet", is_flag=True, help="Print errors only.")(inner)
        inner = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(inner)
        return click.command(epilog=f"Example: {example}")(inner)

    return decorate
