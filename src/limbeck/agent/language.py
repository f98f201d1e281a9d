"""A language model as a worker: task + prompt + engine + decoder → votes.

The prompt is split into the part before the text, which all items share and which is computed once per plan, the text,
and the part after it. Knows nothing of committees, of ledgers' files or of any concrete engine or decoder.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from limbeck.agent.base import Batch, Question, batches, fit, packed
from limbeck.agent.prompt import CHAT, Prompt
from limbeck.agent.remark import Remark
from limbeck.agent.sight import Frame
from limbeck.decoding.base import BRANCHES, Decoder, Draw
from limbeck.engines.base import HOLE, Engine, Remote, advance
from limbeck.errors import ConfigError, EngineError
from limbeck.ledger import vote_key
from limbeck.records import Item, Usage, Vote
from limbeck.task import Task, render_item

# What stands for "no content" in contextual calibration (Zhao et al. 2021, arXiv 2102.09690).
CONTENT_FREE = ("N/A", "[MASK]", "")


class LanguageAgent:
    """One annotator made of a language model; `style` says whether it chats or continues a text.

    Args:
        name: the worker's name.
        task: what is asked.
        prompt: how it is asked.
        engine: scores tokens.
        decoder: draws the answer; made for this prompt's options.
        model: the model's name.
        calibration: none, batch, contextual or pmi.
        long_text: which part of a text too long for the context is kept: head, tail or middle.
        branches: rows of a batch at most, where the decoder makes several of one item.

    Raises:
        ConfigError: when instructions and examples alone fill the context.
        EngineError: when the model has no chat template and the prompt wants one.
    """

    def __init__(
        self,
        name: str,
        task: Task,
        *,
        prompt: Prompt,
        engine: Engine | Remote,
        decoder: Decoder,
        model: str,
        calibration: str = "batch",
        long_text: str = "head",
        branches: int = BRANCHES,
    ) -> None:
        self.name, self._task, self.model = name, task, model
        self._engine, self._decoder, self.branches = engine, decoder, branches
        self.calibration, self._long_text = calibration, long_text
        self._before, self._after = frame(engine, prompt, task)
        self._prompt, self._lead = prompt, prompt.lead
        self.style = prompt.style
        self._remarks: Mapping[str, Remark] = {}
        self._room = engine.context - len(self._before) - len(self._after) - decoder.reach
        if self._room < 1:
            raise ConfigError(
                f"agent {name}: instructions and examples take {len(self._before) + len(self._after)} of the "
                f"{engine.context} tokens that {model} can read; no room is left for a text",
                hint="Use fewer examples or shorter instructions.",
            )
        self._prefix: Any = None
        self._baseline: tuple[float, ...] | None = None

    @property
    def prefix_tokens(self) -> int:
        """Tokens that all prompts share and that are computed once."""
        return len(self._before)

    @property
    def frame(self) -> Frame:
        """The prompt in tokens, for whoever reads texts as this agent does."""
        before, after = tuple(self._before), tuple(self._after)
        return Frame(before, after, self._lead, self._decoder.reach, self._long_text)

    @property
    def engine(self) -> Engine | Remote:
        """What scores this agent's tokens."""
        return self._engine

    def example(self, item: Item) -> str:
        """The whole prompt for an item as the model reads it, control tokens left out."""
        question = self._question(item)
        return self._engine.tokenizer.decode([*self._before, *question.tokens])

    def informed(self, remarks: Mapping[str, Remark]) -> LanguageAgent:
        """The same agent, shown a remark behind the text of each item that has one; it shares engine and prefix."""
        other = copy.copy(self)
        other._remarks = dict(remarks)
        return other

    def plan(self, items: Sequence[Item]) -> list[Batch]:
        """Batches of like length, the longest first."""
        return batches([self._question(item) for item in items], self._decoder.width, branches=self.branches)

    def answer(self, batch: Batch) -> list[Vote]:
        """Decode the answers to every question of the batch together."""
        begun = time.perf_counter()
        first = self._rewind()
        draws = self._decoder(self._engine, [question.tokens for question in batch])
        seconds = (time.perf_counter() - begun) / len(batch)
        return [
            self._vote(question, draw, fresh=first and i == 0, seconds=seconds)
            for i, (question, draw) in enumerate(zip(batch, draws, strict=True))
        ]

    def _vote(self, question: Question, draw: Draw, *, fresh: bool, seconds: float) -> Vote:
        shared = len(self._before)
        label = None if draw.scores is None else self._task.labels[int(np.argmax(draw.scores))]
        return Vote(
            key=question.key,
            item=question.item.id,
            worker=self.name,
            label=label,
            reason=draw.reason,
            scores=draw.scores,
            baseline=self._baseline if draw.scores is not None else None,
            rationale=draw.rationale,
            trace=draw.trace,
            flags=question.flags,
            state=packed(draw.state),
            # Who comes first pays for the prefix; everybody else reuses it.
            usage=Usage(draw.prefilled + shared * fresh, draw.decoded, shared * (not fresh), seconds),
        )

    def _question(self, item: Item) -> Question:
        text = self._lead + render_item(self._task, item)
        remark = self._remarks.get(item.id)
        shown: list[int] = []
        if remark is not None:
            # What others said may take half the room; of the text it never takes more than that away.
            shown, _ = fit(self._engine.tokenizer, self._prompt.remark(remark, self._task), self._room // 2, "head")
        tokens, flags = fit(self._engine.tokenizer, text, self._room - len(shown), self._long_text)
        tokens = [*tokens, *shown, *self._after]
        read = np.array([*self._before, -1, *tokens], np.int64).tobytes()
        key = vote_key(
            worker=self.name,
            item=item.id,
            prompt=hashlib.sha256(read).hexdigest(),
            engine=self._engine.identity,
            decoder=self._decoder.identity,
            baseline=self.calibration if self.calibration in ("contextual", "pmi") else None,
            labels=self._task.labels,
            **({} if remark is None else {"occasion": remark.occasion}),
        )
        return Question(key, item, tuple(tokens), flags)

    def _rewind(self) -> bool:
        """Bring the engine back to the shared prefix; whether it had to be computed."""
        if self._prefix is not None:
            self._engine.restore(self._prefix)
            return False
        if self.calibration in ("contextual", "pmi"):
            self._baseline = self._content_free_scores()
        self._engine.reset()
        if self._before:
            advance(self._engine, self._before)
        self._prefix = self._engine.snapshot()
        return True

    def _content_free_scores(self) -> tuple[float, ...]:
        """What the prompt prefers when there is no text (contextual), or from its last words alone (pmi)."""
        self._engine.reset()
        bodies = [list(self._after)]
        if self.calibration == "contextual":
            if self._before:
                advance(self._engine, self._before)
            bodies = [[*self._engine.tokenizer.encode(self._lead + text), *self._after] for text in CONTENT_FREE]
        draws = self._decoder(self._engine, bodies)
        if any(draw.scores is None for draw in draws):
            raise EngineError(f"agent {self.name}: the prompt without a text cannot be scored: {draws[0].reason}")
        logs = np.array([draw.scores for draw in draws], np.float64)
        logs -= np.logaddexp.reduce(logs, axis=1, keepdims=True)
        mean = np.logaddexp.reduce(logs, axis=0) - np.log(len(logs))
        return tuple(mean.tolist())


def frame(engine: Engine | Remote, prompt: Prompt, task: Task) -> tuple[list[int], list[int]]:
    """Tokens of the prompt before and after the text."""
    tokenizer = engine.tokenizer
    if prompt.style == CHAT:
        *turns, begun = prompt.messages(task)
        before, after = tokenizer.frame(turns)
        return before, after + tokenizer.encode(begun.content)
    head, tail = prompt.document(task).split(HOLE)
    return tokenizer.start + tokenizer.encode(head), tokenizer.encode(tail)
