"""A student's folder: `student.safetensors`, `student.json` and `MODEL_CARD.md`; nothing in it is ever executed.

Knows nothing of any single student: it keeps arrays and a JSON document, and notices when either was changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from limbeck.errors import StudentError

Arrays = dict[str, npt.NDArray[Any]]

WEIGHTS, SETTINGS, CARD = "student.safetensors", "student.json", "MODEL_CARD.md"
AGAIN = "Copy the whole folder again from where it was made, or train the student again."


def write_student(folder: Path, arrays: Arrays, *, settings: Mapping[str, Any], card: str) -> None:
    """Write the three files; `student.json` last, so that a broken write is noticed when it is read.

    Raises:
        StudentError: when the folder cannot be written.
    """
    weights = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    document = {**settings, "sha256": _checksum(weights, settings)}
    text = json.dumps(document, indent=1, allow_nan=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in ((WEIGHTS, weights), (CARD, card.encode("utf-8", "replace")), (SETTINGS, text.encode())):
            part = folder / f"{name}.part"
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(folder / name)
    except OSError as error:
        raise StudentError(
            f"cannot write the student to {folder}: {error.strerror}", hint="Free some space or choose another folder."
        ) from error


def read_student(folder: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and the document of `write_student`, without its checksum.

    Raises:
        StudentError: when a file is missing or damaged, or the two do not belong together.
    """
    try:
        document = json.loads((folder / SETTINGS).read_bytes())
        weights = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise StudentError(f"cannot read a student from {folder}: {error.strerror}", hint=AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise StudentError(f"{folder / SETTINGS} is not JSON: {error}", hint=AGAIN) from error
    if not isinstance(document, dict) or document.pop("sha256", None) != _checksum(weights, document):
        raise StudentError(f"{WEIGHTS} and {SETTINGS} in {folder} were changed or do not belong together", hint=AGAIN)
    try:
        return load(weights), document
    except (SafetensorError, KeyError, ValueError) as error:
        raise StudentError(f"{folder / WEIGHTS} cannot be read: {error}", hint=AGAIN) from error


def _checksum(weights: bytes, settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(weights + json.dumps(settings, sort_keys=True).encode()).hexdigest()
