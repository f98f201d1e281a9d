"""outcomes: what committee and student said of each test item, beside its gold label, as a table in the run folder.

Every accuracy in metrics.json can be counted again from it, and two runs can be compared item by item. Knows nothing
of how the labels came about.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.errors import RunError
from limbeck.flows.export import write_rows

OUTCOMES = "test.csv"
COMMITTEE, STUDENT = "committee", "student"


def write_outcomes(
    folder: Path,
    items: Sequence[str],
    gold: Sequence[str | None],
    *,
    said: Mapping[str, Mapping[str, tuple[str, float]]],
) -> None:
    """Write `test.csv`: id, gold, and for committee and student their label and its probability, empty where none.

    Args:
        folder: of the run.
        items: ids of the test items.
        gold: of each of them.
        said: "committee" and "student" → item → its label and how sure that is.

    Raises:
        RunError: when it cannot be written.
    """

    def row(item: str, truth: str | None) -> dict[str, Any]:
        told: dict[str, Any] = {"id": item, "gold": truth}
        for who in (COMMITTEE, STUDENT):
            label, sure = said[who].get(item, (None, None))
            told |= {who: label, f"{who}_confidence": sure}
        return told

    write_rows(folder / OUTCOMES, (row(*pair) for pair in zip(items, gold, strict=True)), "csv")


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The table of one run.

    Attributes:
        gold: item → its gold label; items without gold are left out.
        said: "committee" and "student" → item → label; items without one are left out.
    """

    gold: dict[str, str]
    said: dict[str, dict[str, str]]


def read_outcomes(folder: Path) -> Outcomes:
    """The table of a finished run.

    Raises:
        RunError: when there is none, or it cannot be read.
    """
    path = folder / OUTCOMES
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{key: _plain(value) for key, value in row.items()} for row in csv.DictReader(file)]
        gold = {row["id"]: row["gold"] for row in rows if row["gold"]}
        said = {who: {row["id"]: row[who] for row in rows if row[who]} for who in (COMMITTEE, STUDENT)}
    except FileNotFoundError as error:
        hint = "Finish the run with a test set (`data.test`): limbeck run TASK."
        raise RunError(f"{path}: there is no such file", hint=hint) from error
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise RunError(
            f"{path}: cannot be read: {error}", hint="Run the same `limbeck run` into a new folder."
        ) from error
    return Outcomes(gold, said)


def _plain(value: str) -> str:
    """A cell without the apostrophe that keeps spreadsheets from taking it for a formula."""
    return value[1:] if value[:1] == "'" and value[1:2] in set("=+-@\t\r") else value
