"""A language model that writes new items: a brief in, a text out that is meant to have one label.

What it writes is kept as its vote: "this text has the label that was asked for". Knows nothing of who checks that, of
ledgers' files or of any concrete engine.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from limbeck.agent.prompt import CHAT, capital
from limbeck.decoding.branches import WHOLE
from limbeck.decoding.writing import Writer, Written
from limbeck.engines.base import HOLE, Engine, Message, Remote
from limbeck.errors import ConfigError
from limbeck.ledger import vote_key
from limbeck.records import Item, Usage, Vote
from limbeck.task import Task, render_item

AUTHOR = "author"
SYSTEM = "You write short texts exactly as you are asked to."
# Marks that a model puts around its text; a text that only begins or only ends with one keeps it.
QUOTES = (('"', '"'), ("“", "”"), ("«", "»"))


@dataclass(frozen=True, slots=True)
class Brief:
    """What one text is to be.

    Attributes:
        number: of the attempt; it names the dice.
        label: the intended one.
        attributes: names and values that it should have besides, such as ("tone", "ironic").
        seeds: real items with their labels, shown before in this order.
    """

    number: int
    label: str
    attributes: tuple[tuple[str, str], ...] = ()
    seeds: tuple[tuple[Item, str], ...] = ()


class Author:
    """Writes items whose only field is their text.

    Args:
        task: what the labels mean, and what a text is called.
        engine: scores tokens.
        writer: draws texts.
        model: the model's name.
        style: `plain` shows seeds as a list that the new text continues, `chat` asks by the model's template.

    Raises:
        ConfigError: when an item of the task has more than one field.
        EngineError: when the model has no chat template and the style wants one.
    """

    def __init__(self, task: Task, *, engine: Engine | Remote, writer: Writer, model: str, style: str) -> None:
        if len(task.show) != 1:
            raise ConfigError(
                f"items of {', '.join(task.show)} cannot be written: an example is one text",
                hint="Name a single column under task.show.",
            )
        self.name, self.model = AUTHOR, model
        self._task, self._engine, self._writer, self._style = task, engine, writer, style
        self._about = dict(zip(task.labels, task.descriptions, strict=True))

    @property
    def echoes(self) -> tuple[str, ...]:
        """Words of the prompt that no text should hold."""
        about = (text for text in self._about.values() if text)
        return (f"{self._task.noun}:", f"{self._task.aspect}:", *about)

    def write(self, briefs: Sequence[Brief]) -> list[tuple[Item, Vote]]:
        """One text for each brief, and the vote for its intended label; a text that was cut short gets no label.

        Raises:
            EngineError: when the engine cannot write.
        """
        begun = time.perf_counter()
        bodies = [self._body(brief) for brief in briefs]
        self._engine.reset()
        contrast = [self._body(_turned(brief, self._task)) for brief in briefs] if self._writer.guidance else []
        texts = self._writer(self._engine, bodies, [brief.number for brief in briefs], contrast=contrast)
        seconds = (time.perf_counter() - begun) / len(briefs)
        return [
            self._vote(brief, body, text, seconds=seconds)
            for brief, body, text in zip(briefs, bodies, texts, strict=True)
        ]

    def prompt(self, brief: Brief) -> str:
        """The prompt as the model reads it, control tokens left out."""
        return self._engine.tokenizer.decode(self._body(brief))

    def _vote(self, brief: Brief, body: Sequence[int], written: Written, *, seconds: float) -> tuple[Item, Vote]:
        text = _bare(written.text)
        reason = None if written.end in WHOLE else "cut short"
        if not text:
            reason = "nothing was written"
        item = Item(hashlib.sha256(f"author\0{text}".encode()).hexdigest()[:32], {self._task.show[0]: text})
        key = vote_key(
            worker=self.name,
            number=brief.number,
            prompt=hashlib.sha256(np.array(body, np.int64).tobytes()).hexdigest(),
            engine=self._engine.identity,
            writer=self._writer.identity,
            label=brief.label,
        )
        trace = {
            "number": brief.number,
            "intended": brief.label,
            "attributes": dict(brief.attributes),
            "seeds": [seed.id for seed, _ in brief.seeds],
        }
        usage = Usage(written.prefilled, written.decoded, 0, seconds)
        label = brief.label if reason is None else None
        return item, Vote(key, item.id, self.name, label, reason=reason, trace=trace, usage=usage)

    def _body(self, brief: Brief) -> list[int]:
        """The prompt; where it leaves no room for a text, without its first seeds."""
        room = self._engine.context - self._writer.limits.tokens
        for start in range(len(brief.seeds) + 1):
            body = self._tokens(brief, brief.seeds[start:])
            if len(body) <= room:
                return body
        raise ConfigError(
            f"the prompt for {brief.label!r} has {len(body)} tokens and {self.model} has room for {max(0, room)}",
            hint="Shorten the labels' descriptions or the attributes.",
        )

    def _tokens(self, brief: Brief, seeds: Sequence[tuple[Item, str]]) -> list[int]:
        tokenizer = self._engine.tokenizer
        noun, aspect = capital(self._task.noun), capital(self._task.aspect)
        shown = [f"{aspect}: {label}\n{noun}: {_line(render_item(self._task, item))}" for item, label in seeds]
        wishes = [f"{capital(name)}: {value}" for name, value in brief.attributes]
        about = self._about[brief.label]
        wanted = f"{brief.label} ({about})" if about else brief.label
        if self._style == CHAT:
            asked = [f"Write one {self._task.noun}.", f"{aspect}: {wanted}", *wishes]
            before = ["Examples:", *shown, ""] if shown else []
            turns = [Message("system", SYSTEM), Message("user", "\n".join([*before, *asked]) + HOLE)]
            start, end = tokenizer.frame(turns)
            return [*start, *end, *tokenizer.encode(f"{noun}:")]
        lines = ["\n\n".join(["", *shown]).strip(), "\n".join([*wishes, f"{aspect}: {wanted}", f"{noun}:"])]
        return [*tokenizer.start, *tokenizer.encode("\n\n".join(filter(None, lines)))]


def _turned(brief: Brief, task: Task) -> Brief:
    """The same brief for another label: that of the seeds beside it, or else the next one of the task."""
    others = [label for _, label in brief.seeds if label != brief.label]
    place = task.labels.index(brief.label)
    other = others[-1] if others else task.labels[(place + 1) % len(task.labels)]
    return replace(brief, label=other)


def _line(text: str) -> str:
    """A text on one line: the end of a line ends an example."""
    return " ".join(text.replace(HOLE, "\ufffd").split())


def _bare(text: str) -> str:
    """A text without blanks and a pair of quotation marks around it."""
    plain = text.strip()
    for first, last in QUOTES:
        if len(plain) > 1 and plain[0] == first and plain[-1] == last:
            return plain[1:-1].strip()
    return plain
