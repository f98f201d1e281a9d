"""The `functions` section of an agent: labelling functions made of words and of regular expressions.

Knows nothing of how they vote.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from limbeck.task.document import Scalar
from limbeck.task.values import Section, Text, empty_section

Path = tuple[str | int, ...]


def _several(value: Any) -> Any:
    """One word alone is a list of one."""
    return [value] if isinstance(value, Scalar) else value


def _filled(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise PydanticCustomError("limbeck", "must not be empty")
    return value


Texts = Annotated[tuple[Text, ...], AfterValidator(_filled), BeforeValidator(_several)]


class FunctionsSection(Section):
    """Label → words that speak for it, and label → regular expressions that do."""

    keywords: Annotated[dict[str, Texts], BeforeValidator(empty_section)] = Field(default_factory=dict)
    patterns: Annotated[dict[str, Texts], BeforeValidator(empty_section)] = Field(default_factory=dict)


def unusable(section: FunctionsSection, labels: Collection[str]) -> Iterator[tuple[Path, str, str | None]]:
    """What is wrong with it: where, what, and the label that is none, if that is it."""
    if not section.keywords and not section.patterns:
        yield (), "needs keywords or patterns", None
    for key in ("keywords", "patterns"):
        for label in getattr(section, key):
            if label not in labels:
                yield (key, label), "is no label", label
    for label, patterns in section.patterns.items():
        for i, pattern in enumerate(patterns):
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as error:
                yield ("patterns", label, i), f"is no regular expression: {error}", None
