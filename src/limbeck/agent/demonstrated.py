"""A language model whose worked examples differ from item to item: one prompt for each group of items.

Items that are shown the same examples share a prefix, which is computed once for the group. Knows nothing of how
examples are chosen, of committees or of ledgers' files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from limbeck.agent.base import Batch
from limbeck.agent.language import LanguageAgent
from limbeck.agent.masked import MaskedAgent
from limbeck.agent.remark import Remark
from limbeck.records import Item, Vote

Examples = tuple[tuple[str, str], ...]  # (text, label)
Prompted = LanguageAgent | MaskedAgent


class Demonstrated:
    """One annotator that is a `LanguageAgent` or `MaskedAgent` for each group of items.

    Args:
        make: examples → the agent with these examples in its prompt; all have one name.
        choose: items → the examples of each, which hang on the item alone.
    """

    def __init__(
        self, make: Callable[[Examples], Prompted], choose: Callable[[Sequence[Item]], list[Examples]]
    ) -> None:
        self._make, self._choose = make, choose
        self._live = (first := choose([Item("", {})])[0]), make(first)
        agent = self._live[1]
        self.name, self.model, self.calibration, self.style = agent.name, agent.model, agent.calibration, agent.style

    @property
    def usual(self) -> Prompted:
        """The agent that is asked about a text of which nothing is known."""
        return self._of(self._choose([Item("", {})])[0])

    @property
    def branches(self) -> int | None:
        """Rows of a batch at most, where the decoder makes several of one item."""
        return getattr(self._live[1], "branches", None)

    def example(self, item: Item) -> str:
        """The whole prompt for an item as the model reads it, control tokens left out."""
        return self._of(self._choose([item])[0]).example(item)

    def plan(self, items: Sequence[Item]) -> list[Batch]:
        """The batches of each group, group after group, so that each group's prefix is computed once."""
        groups: dict[Examples, list[Item]] = {}
        for item, examples in zip(items, self._choose(items), strict=True):
            groups.setdefault(examples, []).append(item)
        return [batch for examples in sorted(groups) for batch in self._of(examples).plan(groups[examples])]

    def answer(self, batch: Batch) -> list[Vote]:
        """One vote for each question; all items of a batch are of one group."""
        return self._of(self._choose([batch[0].item])[0]).answer(batch)

    def _of(self, examples: Examples) -> Prompted:
        """The agent of a group. One is kept, as its prefix takes memory; the next group is another."""
        if self._live[0] != examples:
            self._live = examples, self._make(examples)
        return self._live[1]


class DemonstratedListener(Demonstrated):
    """The same, of language models, which can be shown what others answered."""

    def informed(self, remarks: Mapping[str, Remark]) -> DemonstratedListener:
        """The same worker, shown a remark behind the text of each item that has one here (by the item's id)."""
        return DemonstratedListener(lambda examples: _listening(self._make(examples), remarks), self._choose)


def _listening(agent: Prompted, remarks: Mapping[str, Remark]) -> LanguageAgent:
    assert isinstance(agent, LanguageAgent)  # who makes a listener makes it of language models
    return agent.informed(remarks)
