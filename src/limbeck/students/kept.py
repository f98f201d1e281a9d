"""A kept student of any kind, from its folder.

Knows nothing of how a kind of student works: it reads which kind it is and hands over.
"""

from __future__ import annotations

import json
from pathlib import Path

from limbeck.encoder import Encoder
from limbeck.students import encoder as fine_tuned
from limbeck.students import linear
from limbeck.students.base import Student
from limbeck.students.saved import SETTINGS


def load_student(folder: Path, *, encoder: Encoder | None = None) -> Student:
    """Read a student; it predicts exactly as before.

    Args:
        folder: of the student.
        encoder: the sentence encoder that a linear student was taught with; other kinds hold their own.

    Raises:
        StudentError: when files are missing or damaged, or the encoder is not the right one.
    """
    if _fine_tuned(folder):
        return fine_tuned.load_student(folder)
    return linear.load_student(folder, encoder=encoder)


def needed_encoder(folder: Path) -> str | None:
    """Identity of the sentence encoder that the student in this folder cannot do without; None: it needs none.

    Raises:
        StudentError: when files are missing or damaged.
    """
    return None if _fine_tuned(folder) else linear.encoder_of(folder)


def _fine_tuned(folder: Path) -> bool:
    try:
        settings = json.loads((folder / SETTINGS).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False  # the loader says what is wrong
    return isinstance(settings, dict) and settings.get("format") == fine_tuned.FORMAT
