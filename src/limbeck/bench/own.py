"""limbeck's side of the contest: the product's own way, from prompts to branches, on one engine.

`Cot` grows the branches and `decode_all` plans the batches, as `limbeck decode` does; nothing is done otherwise here
than there. Where a path runs on into a next question, limbeck cuts it off and does not count what is cut.
Knows nothing of its rivals or of any concrete engine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from limbeck.bench.base import Outcome, Prompt, Run
from limbeck.decoding.answers import Number
from limbeck.decoding.base import Draw
from limbeck.decoding.cot import Cot
from limbeck.decoding.trees import Policy
from limbeck.engines.base import Engine, Floats, Tokenizer
from limbeck.flows.decode import Style, decode_all, frame


class Watched:
    """An engine, and the seconds that it spends on reading prompts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.reading = 0.0

    @property
    def tokenizer(self) -> Tokenizer:
        """The engine's."""
        return self._engine.tokenizer

    @property
    def context(self) -> int:
        """The engine's."""
        return self._engine.context

    @property
    def identity(self) -> str:
        """The engine's."""
        return self._engine.identity

    def extend(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> Floats:
        """What the engine says; rows of more than one token are a prompt's."""
        begun = time.perf_counter()
        found = self._engine.extend(rows, parents)
        if any(len(row) > 1 for row in rows):
            self.reading += time.perf_counter() - begun
        return found

    def reset(self) -> None:
        """Forget everything."""
        self._engine.reset()

    def snapshot(self) -> Any:
        """The engine's state."""
        return self._engine.snapshot()

    def restore(self, state: Any) -> None:
        """Go back to a state."""
        self._engine.restore(state)


def make(engine: Engine, *, branches: int, style: Style = "plain") -> Run:
    """The job on an engine, so many branches in a batch at most; a chat's texts are put into its template."""
    begun, _ = frame(engine.tokenizer, style)

    def run(prompts: Sequence[Prompt], k: int, limit: int) -> Outcome:
        watched = Watched(engine)
        cot = Cot(Policy(Number(), max_tokens=limit), k=k)
        texts = [prompt.text for prompt in prompts]
        found = dict(decode_all(watched, cot, texts, style=style, branches=branches))
        draws = [found[i] for i in range(len(prompts))]
        return Outcome(
            written=sum(draw.decoded for draw in draws),
            greedy=tuple(map(_greedy, draws)),
            read=len(begun) + sum(draw.prefilled for draw in draws),
            reading=watched.reading,
        )

    return run


def _greedy(draw: Draw) -> str:
    """The text of the first branch."""
    branches = (draw.trace or {}).get("branches") or [{"text": ""}]
    return str(branches[0]["text"])
