"""A comparison as files: JSON whole, and its main table as CSV, Markdown and LaTeX for a paper.

Knows nothing of how the numbers were made, or of pages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from limbeck.flows.export import write_rows
from limbeck.flows.run import write_whole

COMPARISON = "compare.json"
_LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}"}
_LATEX |= {"^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}


def write_comparison(folder: Path, found: Mapping[str, Any]) -> Path:
    """Write compare.json, .csv, .md and .tex into a folder; returns the first.

    Raises:
        RunError: when they cannot be written.
    """
    rows = [_row(name, found) for name in found["sides"]]
    write_rows(folder / "compare.csv", iter(rows), "csv")
    write_whole(folder / "compare.md", markdown(found))
    write_whole(folder / "compare.tex", latex(found))
    target = folder / COMPARISON
    write_whole(target, json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return target


def _row(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    side = found["sides"][name]
    row: dict[str, Any] = {"side": name}
    for what in ("labels", "student"):
        low, high = side[f"{what}_interval"] or (None, None)
        row |= {what: side[what], f"{what}_low": low, f"{what}_high": high}
        pair = _pair(name, what, found)
        ends = (pair or {}).get("difference_interval") or (None, None)
        row |= {f"{what}_difference": pair and pair["difference"]}
        row |= {f"{what}_difference_low": ends[0], f"{what}_difference_high": ends[1]}
        row |= {f"{what}_not_inferior": pair and pair["not_inferior"]}
    return row | {key: side[key] for key in ("cpu_s", "wall_s", "tokens", "energy_j", "peak_rss_bytes")}


def _pair(name: str, what: str, found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((one for one in found["pairs"] if (one["first"], one["what"]) == (name, what)), None)


HEADS = ("side", "labels, %", "difference", "student, %", "difference", "CPU s", "tokens", "memory, MB")


def _cells(name: str, found: Mapping[str, Any]) -> list[str]:
    side = found["sides"][name]
    cells = [name]
    for what in ("labels", "student"):
        cells.append(_percent(side[what], side[f"{what}_interval"]))
        pair = _pair(name, what, found)
        cells.append("reference" if pair is None else _percent(pair["difference"], pair["difference_interval"], "+"))
    return [*cells, _number(side["cpu_s"]), _number(side["tokens"]), _number((side["peak_rss_bytes"] or 0) / 1e6)]


def markdown(found: Mapping[str, Any]) -> str:
    """The main table in Markdown, with the answer above it."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"

    rows = [line(_cells(name, found)) for name in found["sides"]]
    return "\n".join([found["sentence"], "", line(HEADS), line(["---"] * len(HEADS)), *rows, ""])


def latex(found: Mapping[str, Any]) -> str:
    """The main table as a LaTeX tabular."""

    def line(cells: Sequence[str]) -> str:
        return " & ".join("".join(_LATEX.get(letter, letter) for letter in cell) for cell in cells) + r" \\"

    rows = [line(_cells(name, found)) for name in found["sides"]]
    head = [r"\begin{tabular}{l" + "r" * (len(HEADS) - 1) + "}", r"\hline", line(HEADS), r"\hline"]
    return "\n".join([*head, *rows, r"\hline", r"\end{tabular}", ""])


def _percent(value: float | None, interval: tuple[float, float] | None, sign: str = "") -> str:
    if value is None:
        return "-"
    spread = f" ({100 * interval[0]:{sign}.1f} to {100 * interval[1]:{sign}.1f})" if interval else ""
    return f"{100 * value:{sign}.1f}{spread}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
