"""The data sets of a task file → pools of items.

Knows nothing of what is done with the items.
"""

from __future__ import annotations

from pathlib import Path

from limbeck.catalog.checkers import read_gold
from limbeck.catalog.models import Models
from limbeck.pool import Pool, columns, split
from limbeck.task import Task, TaskFile


class Data:
    """Reads what a task file names.

    Args:
        file: the task file.
        models: finds built-in data sets.
    """

    def __init__(self, file: TaskFile, models: Models) -> None:
        self._file, self._models = file, models

    def task(self) -> Task:
        """What is asked, for the columns that the pool has."""
        return Task.of(self._file, columns(self._located(self._file.data.pool)[0]))

    def read(self, task: Task) -> tuple[Pool, Pool | None]:
        """The pool, and the test set or None."""
        data = self._file.data
        pool = self.pool(data.pool, task, limit=data.limit)
        if data.test is None:
            return pool, None
        if data.test.path is None:
            rest, test = split(pool, share=data.test.share, items=data.test.items, seed=data.seed)
            return rest, test
        return pool, self.pool(data.test.path, task, limit=None, named=False)

    def pool(self, name: str, task: Task, *, limit: int | None, named: bool = True) -> Pool:
        """The items of a data set; not `named`: known by their content, as two files may use one id for two texts."""
        data = self._file.data
        path, built_in = self._located(name)
        pool = Pool.read(
            path,
            show=task.show,
            gold=data.gold or ("gold" if built_in else None),
            people=data.people or ("people" if built_in else None),
            id_column=(data.id or ("id" if built_in else None)) if named else None,
            limit=limit,
            seed=data.seed,
        )
        return pool if task.kind == "label" else pool.read_as(read_gold(task), glue=task.glue)

    def _located(self, name: str) -> tuple[Path, bool]:
        """Where a data set lies, and whether it is a built-in one."""
        path = self._file.data_path(name)
        if path is not None:
            return path, False
        return self._models.files(name) / "items.jsonl", True
