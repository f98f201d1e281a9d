"""Labelling functions as a worker: words, patterns or a Python function that know some texts and abstain on the others.

The means of weak supervision (Ratner et al. 2017, arXiv 1711.10160). Knows nothing of models, of task files or of
where a Python function comes from.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from limbeck.agent.base import Batch, Question, abstain
from limbeck.errors import EngineError
from limbeck.ledger import vote_key
from limbeck.records import Item, Usage, Vote
from limbeck.task import Task, render_item

ROWS = 256
UNSURE = "no function spoke, or two labels tied"


class Rules:
    """The label for which most functions speak; None where none does, or two labels tie.

    Args:
        keywords: label → words or phrases, found as whole words in any case.
        patterns: label → regular expressions, searched for as they are.
    """

    def __init__(self, keywords: Mapping[str, Sequence[str]], patterns: Mapping[str, Sequence[str]]) -> None:
        words = {
            label: [re.compile(_whole(word), re.IGNORECASE) for word in given] for label, given in keywords.items()
        }
        found = {label: [re.compile(pattern) for pattern in given] for label, given in patterns.items()}
        self._functions = [(label, one) for part in (words, found) for label, ones in part.items() for one in ones]

    def __call__(self, text: str) -> str | None:
        """The label of a text, or None."""
        spoke = Counter(label for label, function in self._functions if function.search(text))
        first, *others = spoke.most_common(2) or [("", 0)]
        return first[0] if first[1] and (not others or others[0][1] < first[1]) else None


class FunctionAgent:
    """Votes for the label that a function gives, without probabilities, and abstains where it gives none.

    Args:
        name: the worker's name.
        task: what is asked.
        function: item → label or None.
        identity: everything that changes its answers, as JSON values.
        model: what the report calls it.
    """

    calibration = "none"

    def __init__(
        self, name: str, task: Task, *, function: Callable[[Item], str | None], identity: Any, model: str
    ) -> None:
        self.name, self._task, self.model = name, task, model
        self._function, self._identity = function, identity

    def plan(self, items: Sequence[Item]) -> list[Batch]:
        """Batches in the order of the items."""
        asked = [
            Question(vote_key(worker=self.name, item=item.id, fields=dict(item.fields), function=self._identity), item)
            for item in items
        ]
        return [tuple(asked[i : i + ROWS]) for i in range(0, len(asked), ROWS)]

    def answer(self, batch: Batch) -> list[Vote]:
        """One vote for each question.

        Raises:
            EngineError: when the function fails, or gives what is no label.
        """
        begun = time.perf_counter()
        labels = [self._label(question.item) for question in batch]
        spent = Usage(seconds=(time.perf_counter() - begun) / len(batch))
        return [
            abstain(question, self.name, UNSURE, usage=spent)
            if label is None
            else Vote(question.key, question.item.id, self.name, label, flags=question.flags, usage=spent)
            for question, label in zip(batch, labels, strict=True)
        ]

    def _label(self, item: Item) -> str | None:
        try:
            label = self._function(item)
        except Exception as error:  # it is the user's own code: whatever it raises is about this item
            raise EngineError(f"{self.model} failed: {type(error).__name__}: {error}") from error
        if label is not None and label not in self._task.labels:
            raise EngineError(f"{self.model} gave {label!r}, which is no label of the task")
        return label


def on_text(task: Task, function: Callable[[str], str | None]) -> Callable[[Item], str | None]:
    """A function of a text as one of an item."""
    return lambda item: function(render_item(task, item))


def _whole(word: str) -> str:
    """A pattern for a word or phrase that is no part of a longer word; blanks in it match any blanks."""
    return r"(?<!\w)" + r"\s+".join(map(re.escape, word.split())) + r"(?!\w)"
