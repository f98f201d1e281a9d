"""Safetensors of any architecture become an OpenVINO model, by optimum-intel's own program where it is installed.

The program runs as a process of its own, so torch never comes in here, and it may live in another environment: its
versions of transformers rarely agree with anybody's. Knows nothing of how the result is run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import filelock

from limbeck.engines.folder import open_folder
from limbeck.errors import EngineError

PROGRAM = "optimum-cli"
TASK = "text-generation-with-past"
MADE = "openvino_model.xml"


def exported(place: Path, cache: Path, *, checksums: Mapping[str, str] | None = None) -> Path:
    """The folder with the OpenVINO model of a folder of safetensors, exported at first use.

    Args:
        place: a model folder as it is on the Hugging Face hub.
        cache: where exports are kept, each in a folder named by the hash of the source's files.
        checksums: sha256 of the source's files, where they are known already.

    Raises:
        EngineError: when the folder is not in order, the program is not installed, or it fails.
    """
    source = open_folder(place, checksums)
    folder = cache / f"export-{source.digest}"
    if (folder / MADE).is_file():
        return folder
    program = _program(place.name)
    partial = folder.with_name(folder.name + ".partial")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(cache / f"{folder.name}.lock"):
            if not (folder / MADE).is_file():
                shutil.rmtree(partial, ignore_errors=True)
                _run(program, place, partial)
                partial.replace(folder)
    except OSError as error:
        raise EngineError(
            f"{cache}: cannot be written: {error.strerror or error}", hint="Check the free space and the permissions."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _program(name: str) -> str:
    """Where the program is: beside this Python, or on the PATH."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(PROGRAM, path=beside) or shutil.which(PROGRAM)
    if found is None:
        raise EngineError(
            f"{name}: holds safetensors, which the embedded engine runs only after an export, and {PROGRAM} is not "
            "installed",
            hint="`pipx install optimum-intel`, and run again; or write engine: transformers.",
        )
    return found


def _run(program: str, source: Path, target: Path) -> None:
    # Half precision, as most models are published; the engine stores small models as they are and groups larger ones.
    command = [program, "export", "openvino", "--model", str(source), "--task", TASK, "--weight-format", "fp16"]
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    offline.pop("PYTHONPATH", None)  # the program's own environment is none of ours
    done = subprocess.run([*command, str(target)], capture_output=True, text=True, errors="replace", env=offline)
    if done.returncode or not (target / MADE).is_file():
        last = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()][-1:]
        raise EngineError(
            f"{source.name}: {PROGRAM} could not export it: {last[0] if last else f'exit status {done.returncode}'}",
            hint=f"Try it by hand: {' '.join(command)} FOLDER. Or write engine: transformers.",
        )
