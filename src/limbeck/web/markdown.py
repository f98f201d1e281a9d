"""The part of Markdown that guidelines need, as blocks of plain text: headings, lists, paragraphs. No HTML passes.

Knows nothing of pages: a block is a tag's name and its text, which the page sets as text.
"""

from __future__ import annotations

import re

Block = dict[str, str]
_HEADING = re.compile(r"(#{1,3}) +(.*?)[ #]*")
_ENTRY = re.compile(r"\s*(?:[-*+]|\d+[.)]) +(.*)")
_SIGNS = re.compile(r"(\*\*|__|`)(?=\S)(.+?)(?<=\S)\1")


def blocks(text: str) -> list[Block]:
    """Headings as h2 to h4, entries of lists as li, everything else as p; emphasis marks are taken off."""
    found: list[Block] = []
    joined = False
    for line in text.splitlines():
        plain = _SIGNS.sub(r"\2", line).strip()
        if not plain:
            joined = False
        elif heading := _HEADING.fullmatch(plain):
            found.append({"tag": f"h{len(heading[1]) + 1}", "text": heading[2]})
            joined = False
        elif entry := _ENTRY.fullmatch(_SIGNS.sub(r"\2", line)):
            found.append({"tag": "li", "text": entry[1].strip()})
            joined = True
        elif joined:
            found[-1]["text"] += f" {plain}"
        else:
            found.append({"tag": "p", "text": plain})
            joined = True
    return found
