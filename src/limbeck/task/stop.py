"""The `selection.stop` section: which rules may end the rounds, and when.

Knows nothing of what the rules do.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from limbeck.task.values import Section, empty_section, is_null, meaning, text

Filled = BeforeValidator(empty_section)
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False), BeforeValidator(meaning)]
Agreement = Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False), BeforeValidator(meaning)]
Rounds = Annotated[int, Field(strict=True, ge=1, le=10_000), BeforeValidator(meaning)]


class StabilitySection(Section):
    """Consecutive students agree."""

    kappa: Agreement = 0.99
    rounds: Rounds = 3


class PlateauSection(Section):
    """The student gains less than so many percentage points."""

    points: Positive = 0.5
    rounds: Rounds = 3


class CostSection(Section):
    """A percentage point costs more than so many units."""

    most: Positive
    unit: Annotated[Literal["items", "tokens"], BeforeValidator(text)] = "items"
    rounds: Rounds = 2


class StopSection(Section):
    """The rules by name; `stop: stability` is short for `stop: {stability: {}}`. The first that wants to stops."""

    stability: Annotated[StabilitySection | None, Filled] = None
    plateau: Annotated[PlateauSection | None, Filled] = None
    cost: Annotated[CostSection | None, Filled] = None

    @property
    def rules(self) -> list[tuple[str, Section]]:
        """Name and settings of each rule that was named."""
        named = [(name, getattr(self, name)) for name in type(self).model_fields]
        return [(name, section) for name, section in named if section is not None]


def stop_form(value: Any) -> Any:
    """`none`, nothing, a rule's name, or a mapping."""
    if is_null(value):
        return {}
    if isinstance(value, str):
        return {} if value == "none" else {str(value): {}}
    return value
