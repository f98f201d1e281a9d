"""The `task.kind.open` section → what an answer is, and what checks it.

Knows nothing of who answers.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping

from limbeck.catalog.decoders import answer_kind
from limbeck.decoding.answers import AnswerKind
from limbeck.errors import ConfigError, RunError
from limbeck.task import Checker, Task
from limbeck.task.kinds import number

Check = Callable[[Mapping[str, str], str], bool]


def kind_of(task: Task) -> AnswerKind | None:
    """What an answer of an open task is; None of another kind."""
    return None if task.open is None else answer_kind(task.open.answer)


def read_gold(task: Task) -> Callable[[str], str]:
    """A cell of the gold column → the task's name for what it says."""
    kind = kind_of(task)
    if kind is None:
        return task.gold

    def read(cell: str) -> str:
        found = kind.find(cell if kind.cue is None else f"{kind.cue} {cell}")
        return cell if found is None else found.value

    return read


def build_check(checker: Checker | None) -> Check | None:
    """A function of an item's fields and an answer, or None where every answer will do.

    Raises:
        ConfigError: when there is no such function.
    """
    if checker is None:
        return None
    if checker.regex is not None:
        pattern = re.compile(checker.regex)
        return lambda _, answer: pattern.fullmatch(answer) is not None
    if checker.bounds is not None:
        low, high = checker.bounds
        return lambda _, answer: (value := number(answer)) is not None and low <= value <= high
    assert checker.function is not None
    return _function(checker.function)


def _function(reference: str) -> Check:
    module, _, name = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"the checker {reference} cannot be loaded: {error}",
            hint="Its module must be installed, or on PYTHONPATH: package.module:function",
        ) from error

    def check(fields: Mapping[str, str], answer: str) -> bool:
        try:
            return bool(found(dict(fields), answer))
        except Exception as error:  # it is the user's own code, and may fail in any way
            raise RunError(f"the checker {reference} failed on {answer!r}: {type(error).__name__}: {error}") from error

    return check
