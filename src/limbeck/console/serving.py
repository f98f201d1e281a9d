"""The verb serve: print the raters' links, then serve their pages until it is stopped.

Knows nothing of pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from limbeck.catalog import SERVE, resolve
from limbeck.console.terminal import Console
from limbeck.console.verb import command


@command("limbeck serve studies/rationales")
@click.argument("folder", metavar="STUDY", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8710, show_default=True, help="Port; 0 takes a free one."
)
def serve(folder: Path, port: int, out: Console) -> None:
    """Serve a frozen study's pages to its raters, on this machine only. Stop it with Ctrl-C; nothing is lost."""

    def ready(links: dict[str, str], progress: dict[str, Any]) -> None:
        lines = [
            f"{name}: {link}   {progress[name]['done']} of {progress[name]['total']}" for name, link in links.items()
        ]
        hint = "Each link is secret and stands for one rater. Links of earlier starts work as well. Ctrl-C stops."
        out.result({"links": links}, "\n".join([*lines, hint]))

    resolve(SERVE)(folder, port=port, ready=ready)
