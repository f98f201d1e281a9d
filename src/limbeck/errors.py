"""Every error that limbeck raises on purpose: what was wrong, where, and what to do about it.

Knows nothing of any other part of the package.
"""

from __future__ import annotations


class LimbeckError(Exception):
    """The root of all errors meant for people.

    Args:
        message: what was wrong and where (`file:line` when there is a file).
        hint: what to do about it, or None.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class ConfigError(LimbeckError):
    """A task file or a command line that cannot be used as it stands."""

    exit_code = 2


class DataError(LimbeckError):
    """Input data that cannot be read or does not hold what the task asks for."""

    exit_code = 2


class MissingExtra(ConfigError):
    """An optional package is needed and is not installed; the hint is the install line."""


class AssetError(LimbeckError):
    """A model, encoder or data set that is missing, damaged or not what its checksum says."""


class EngineError(LimbeckError):
    """An engine could not load its model or could not score tokens."""


class RunError(LimbeckError):
    """A run folder or its ledger that cannot be read, written or continued."""


class StudentError(LimbeckError):
    """A student that cannot be trained from the labels there are, or cannot be loaded."""
