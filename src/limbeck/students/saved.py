"""A student's folder: its weights, `student.json` and `MODEL_CARD.md`; nothing in it is ever executed.

Knows nothing of any single student: it keeps files and a JSON document, and notices when any of them was changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
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
    """Write `student.safetensors` and what belongs to it, as `write_files`."""
    weights = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    write_files(folder, {WEIGHTS: weights}, settings=settings, card=card)


def write_files(folder: Path, files: Mapping[str, bytes], *, settings: Mapping[str, Any], card: str) -> None:
    """Write these files, the card and `student.json`, the last so that a broken write is noticed when it is read.

    Raises:
        StudentError: when the folder cannot be written.
    """
    document = {**settings, "sha256": _checksum(files, settings)}
    text = json.dumps(document, indent=1, allow_nan=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (*files.items(), (CARD, card.encode("utf-8", "replace")), (SETTINGS, text.encode())):
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
    """The arrays and the document of `write_student`, without its checksum; raises as `read_files`."""
    files, document = read_files(folder, (WEIGHTS,))
    try:
        return load(files[WEIGHTS]), document
    except (SafetensorError, KeyError, ValueError) as error:
        raise StudentError(f"{folder / WEIGHTS} cannot be read: {error}", hint=AGAIN) from error


def read_files(folder: Path, names: Sequence[str]) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files and the document of `write_files`, without its checksum.

    Raises:
        StudentError: when a file is missing or damaged, or they do not belong together.
    """
    try:
        document = json.loads((folder / SETTINGS).read_bytes())
        files = {name: (folder / name).read_bytes() for name in names}
    except OSError as error:
        raise StudentError(f"cannot read a student from {folder}: {error.strerror}", hint=AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise StudentError(f"{folder / SETTINGS} is not JSON: {error}", hint=AGAIN) from error
    if not isinstance(document, dict) or document.pop("sha256", None) != _checksum(files, document):
        what = " and ".join((*names, SETTINGS))
        raise StudentError(f"{what} in {folder} were changed or do not belong together", hint=AGAIN)
    return files, document


def _checksum(files: Mapping[str, bytes], settings: Mapping[str, Any]) -> str:
    """Over the contents one after the other and the settings."""
    found = hashlib.sha256()
    for content in files.values():
        found.update(content)
    found.update(json.dumps(settings, sort_keys=True).encode())
    return found.hexdigest()
