"""One model in the form that each library reads, all of it from one GGUF file.

A form is written at first use and kept: whole or not at all. The peers bring the ways of writing.
Knows nothing of any library but of GGUF.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from limbeck.engines.base import Tokenizer
from limbeck.engines.container import Container
from limbeck.engines.requantisation import is_read_rightly, rewrite_q8_0
from limbeck.engines.tokens import ByteTokenizer
from limbeck.errors import EngineError


@dataclass(frozen=True)
class Weights:
    """One model under one folder.

    Attributes:
        source: the GGUF file that it all comes from.
        folder: where the other forms are written.
    """

    source: Path
    folder: Path

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Of the source file."""
        return ByteTokenizer(Container(self.source).values("tokenizer."))

    def q8_0(self) -> Path:
        """A GGUF file whose matrices are all Q8_0 (or F16, where 8 bits cannot hold them)."""
        if is_read_rightly(Container(self.source)):
            return self.source
        return self.form("model-q8_0.gguf", lambda target: rewrite_q8_0(self.source, target))

    def form(self, name: str, write: Callable[[Path], None]) -> Path:
        """A file or folder, written by `write` at first use.

        Raises:
            EngineError: when it cannot be written.
        """
        target, partial = self.folder / name, self.folder / f"partial-{name}"
        try:
            if not target.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(partial, ignore_errors=True)
                partial.unlink(missing_ok=True)
                write(partial)
                partial.replace(target)
        except OSError as error:
            raise EngineError(
                f"{target}: cannot be written: {error.strerror or error}",
                hint="Check the free space and the permissions.",
            ) from error
        return target
