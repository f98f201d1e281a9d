"""One whole task file as a frozen model that can say where on disk its paths lead and where in the text a key stands.

Knows nothing of how the text is read or of rules that join two keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PrivateAttr

from limbeck.errors import ConfigError
from limbeck.task.document import Mark, Node, Problem, dotted, locate
from limbeck.task.phrasing import nearest
from limbeck.task.sections import (
    ADAPTING,
    FINE_TUNING,
    LABELLERS,
    PROTOCOLS,
    Agents,
    BudgetSection,
    CommitteeSection,
    DataSection,
    PrivacySection,
    SelectionSection,
    StudentSection,
    TaskSection,
)
from limbeck.task.synthesis import SynthesisSection
from limbeck.task.values import empty_section

# How a server is reached and how patiently it is asked; nothing of its answers hangs on these.
_PATIENCE = ("key_env", "timeout", "concurrency")


class TaskFile(BaseModel):
    """A whole task file. `agents` is None where the default committee is wanted.

    Paths stay as written; `resolve` and `data_path` turn them into places on disk.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Annotated[TaskSection, BeforeValidator(empty_section)]
    data: Annotated[DataSection, BeforeValidator(empty_section)]
    agents: Agents = None
    committee: Annotated[CommitteeSection, BeforeValidator(empty_section)] = CommitteeSection()
    selection: Annotated[SelectionSection, BeforeValidator(empty_section)] = SelectionSection()
    student: Annotated[StudentSection, BeforeValidator(empty_section)] = StudentSection()
    budget: Annotated[BudgetSection, BeforeValidator(empty_section)] = BudgetSection()
    synthesis: Annotated[SynthesisSection, BeforeValidator(empty_section)] = SynthesisSection()
    privacy: Annotated[PrivacySection, BeforeValidator(empty_section)] = PrivacySection()
    _source: str = PrivateAttr(default="task file")
    _root: Node | None = PrivateAttr(default=None)
    _text: str | None = PrivateAttr(default=None)

    @property
    def source(self) -> str:
        """The file this was read from, as the reader named it."""
        return self._source

    @property
    def text(self) -> str | None:
        """The text this was read from; None where it was made otherwise."""
        return self._text

    def resolve(self, raw: str) -> Path:
        """A path of this file on disk: relative ones start in the folder of the task file."""
        return Path(self._source).parent / raw

    def data_path(self, raw: str) -> Path | None:
        """Where a data set lies on disk; None for the name of a built-in one (no suffix and no separator)."""
        named = "/" in raw or "\\" in raw or bool(Path(raw).suffix)
        return self.resolve(raw) if named else None

    def read_from(self, source: str, root: Node, text: str) -> TaskFile:
        """The same file, knowing its source, its text and the marks of its keys."""
        known = self.model_copy()
        known._source, known._root, known._text = source, root, text
        return known

    def problem(self, path: Sequence[str | int], text: str) -> Problem:
        """A problem with the key at `path`, placed at its value, or at the nearest section that is there."""
        mark = locate(self._root, path).node.mark if self._root else Mark(1, 1)
        return Problem(mark.line, mark.column, dotted(path), text)

    def complaint(
        self, path: Sequence[str | int], problem: str, *, value: str | None = None, known: Collection[str] = ()
    ) -> ConfigError:
        """An error about one key of this file, for whoever finds out later than the reader did.

        Args:
            path: the key, such as `("agents", 0, "model")`.
            problem: what is wrong.
            value: what was written, where a near one among `known` may have been meant.
            known: the names that would have been right.
        """
        guess = nearest(value, known) if value is not None else ""
        return ConfigError(f"{self._source}:{self.problem(path, problem + guess)}")


def fingerprint(task_file: TaskFile) -> str:
    """Hash of everything in the task file that changes a run's tables (64 hex digits).

    The task's name, what may leave the machine, how patiently a server is asked, whether states are kept and how
    examples are synthesised change no answer and are left out. The content of the data is not in it either:
    `Pool.digest` names that.
    """
    left_out: Any = {"privacy": True, "synthesis": True, "task": {"name"}, "committee": {"states"}}
    values = task_file.model_dump(mode="json", by_alias=True, exclude=left_out)
    for agent in values["agents"] or ():
        for key in LABELLERS:  # so that runs made before there were such keys can go on
            if not agent[key]:
                del agent[key]
        if agent["examples"]["source"] == "column":
            del agent["examples"]["source"]
        if isinstance(agent["engine"], dict):
            for key in _PATIENCE:
                del agent["engine"]["server"][key]
    if values["student"]["kind"] != "probe":
        del values["student"]["agent"]
    if values["student"]["kind"] != "encoder":  # likewise
        for key in FINE_TUNING:
            del values["student"][key]
    if values["student"]["kind"] != "causal":  # likewise
        for key in ADAPTING:
            del values["student"][key]
    if values["student"]["noise"] is None:  # likewise
        del values["student"]["noise"]
    if not task_file.selection.stop.rules:  # likewise
        del values["selection"]["stop"]
    if task_file.task.kind.name == "label":  # likewise
        del values["task"]["kind"]
    for key in (*PROTOCOLS, "refine"):  # likewise
        if getattr(task_file.committee, key) is None:
            del values["committee"][key]
    for agent in values["agents"] or ():  # likewise
        if agent["role"] is None:
            del agent["role"]
    # The order of labels matters and would be lost among sorted keys.
    values["task"]["labels"] = list(values["task"]["labels"].items())
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(b"limbeck task 1\n" + text.encode()).hexdigest()


def synthesis_fingerprint(task_file: TaskFile) -> str:
    """Hash of everything that changes which synthetic examples are accepted (64 hex digits); budgets are left out."""
    values = task_file.synthesis.model_dump(mode="json", exclude={"attempts": True, "tokens": True})
    if isinstance(values["engine"], dict):
        for key in _PATIENCE:
            del values["engine"]["server"][key]
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(f"limbeck synthesis 1\n{fingerprint(task_file)}\n{text}".encode()).hexdigest()
