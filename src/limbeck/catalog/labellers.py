"""The parts behind workers that are no language model: Python functions and existing classifiers, by name.

Knows nothing of how they vote.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from limbeck.agent.functions import on_text
from limbeck.catalog.models import Models
from limbeck.errors import ConfigError
from limbeck.records import Item
from limbeck.students.saved import SETTINGS
from limbeck.task import Task

FIELDS = "fields"


def python_function(reference: str, folder: Path, task: Task) -> tuple[Callable[[Item], str | None], str]:
    """The function that `module:function` names, of an item; and a hash of its module's source.

    A file `module.py` in the folder comes before an installed module. A function whose first parameter is called
    `fields` gets the shown columns by name, any other their text.

    Raises:
        ConfigError: when there is no such module or function, or the module fails when it is loaded.
    """
    module, _, path = reference.partition(":")
    found: Any = _module(module, folder)
    source = _source(found)
    for name in path.split("."):
        if not hasattr(found, name):
            raise ConfigError(f"{reference}: there is no {name!r} in {module}")
        found = getattr(found, name)
    if not callable(found):
        raise ConfigError(f"{reference}: is no function")
    whole = next(iter(_parameters(found)), "") == FIELDS
    function = (lambda item: found(dict(item.fields))) if whole else on_text(task, found)
    return function, hashlib.sha256(f"{reference}\n{source}".encode()).hexdigest()


def _module(name: str, folder: Path) -> ModuleType:
    file = folder.joinpath(*name.split(".")).with_suffix(".py")
    try:
        if not file.is_file():
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and the like look their module up there
        spec.loader.exec_module(module)
    except Exception as error:  # it is the user's own code, and may fail in any way
        raise ConfigError(
            f"the module {name} cannot be loaded: {type(error).__name__}: {error}",
            hint=f"Put {name}.py beside the task file, or install it.",
        ) from error
    return module


def _source(module: ModuleType) -> str:
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):
        return str(getattr(module, "__version__", ""))  # built in, or compiled


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []  # built in


def open_classifier(name: str, models: Models) -> tuple[Any, str]:
    """A classifier by name, and the hash of its files: a run or student folder, or a model as `agents.model` names it.

    Raises:
        LimbeckError: when it cannot be fetched or read, or is none.
    """
    folder = models.place(name)
    for place in (folder, folder / "student"):
        if (place / SETTINGS).is_file():
            student = models.student(place)
            return student, hashlib.sha256((place / SETTINGS).read_bytes()).hexdigest()
    found = models.sequence(name)
    return found, found.identity
