"""A kept student of any kind, from its folder.

Knows nothing of how a kind of student works: it reads which kind it is and hands over.
"""

from __future__ import annotations

import json
from pathlib import Path

from limbeck.encoder import Encoder
from limbeck.errors import StudentError
from limbeck.students import encoder as fine_tuned
from limbeck.students import linear
from limbeck.students.base import Student
from limbeck.students.saved import SETTINGS

CAUSAL = "limbeck-causal-student"  # told here again, as its module needs torch


def load_student(folder: Path, *, encoder: Encoder | None = None) -> Student:
    """Read a student; it predicts exactly as before.

    Args:
        folder: of the student.
        encoder: the sentence encoder that a linear student was taught with; other kinds hold their own.

    Raises:
        StudentError: when files are missing or damaged, or what it needs is not the right one or not here.
    """
    kind = _format(folder)
    if kind == CAUSAL:
        raise StudentError(
            f"the student in {folder} needs the language model it was taught on, which this function does not fetch",
            hint='limbeck predict does, and in Python limbeck.catalog.open_student(folder, "causal", …).',
        )
    if kind == fine_tuned.FORMAT:
        return fine_tuned.load_student(folder)
    return linear.load_student(folder, encoder=encoder)


def needed_encoder(folder: Path) -> str | None:
    """Identity of the sentence encoder that the student in this folder cannot do without; None: it needs none.

    Raises:
        StudentError: when files are missing or damaged.
    """
    return None if _format(folder) in (fine_tuned.FORMAT, CAUSAL) else linear.encoder_of(folder)


def _format(folder: Path) -> str | None:
    """What kind of student the folder says it holds."""
    try:
        settings = json.loads((folder / SETTINGS).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None  # the loader says what is wrong
    return settings.get("format") if isinstance(settings, dict) else None
