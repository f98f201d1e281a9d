"""A masked model (BERT and its kin) as a worker, by pattern and verbaliser: task + prompt + model → votes.

The pattern is the plain prompt with masks where the answer goes, and a full stop, without which a masked model wants
to end the sentence (Schick & Schütze 2021, arXiv 2001.07676). A label whose word is one token scores that token's
log-probability at the one mask. A word of n tokens gets a pattern with n masks, all filled in one pass, and scores the
mean of its tokens' log-probabilities; the mean, so that longer words are not worth less.
Knows nothing of committees, of ledgers' files or of any concrete model.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.agent.base import Batch, Question, batches, shown
from limbeck.agent.prompt import Prompt
from limbeck.engines.base import HOLE, Cloze, Floats
from limbeck.errors import ConfigError
from limbeck.ledger import vote_key
from limbeck.records import Item, Usage, Vote
from limbeck.task import Task

STOP = "."


class MaskedAgent:
    """One annotator made of a masked model.

    Args:
        name: the worker's name.
        task: what is asked.
        prompt: how it is asked, in the style `masked`; the masks stand where its cue ends.
        model: fills masks.
        model_name: the model's name.
        calibration: none or batch.
        long_text: which part of a text too long for the model is kept: head, tail or middle.

    Raises:
        ConfigError: when the prompt alone fills the context, or the vocabulary cannot spell a label's word or tell it
            from another's.
    """

    def __init__(
        self,
        name: str,
        task: Task,
        *,
        prompt: Prompt,
        model: Cloze,
        model_name: str,
        calibration: str = "batch",
        long_text: str = "head",
    ) -> None:
        self.name, self.model, self.calibration = name, model_name, calibration
        self.style = prompt.style
        self._task, self._cloze, self._lead, self._long_text = task, model, prompt.lead, long_text
        self._words = _words(name, task, prompt, model)
        encode = model.tokenizer.encode
        head, tail = prompt.document(task).split(HOLE)
        self._before = [*model.tokenizer.start, *encode(head)]
        self._after, self._stop = encode(tail), [*encode(STOP), *model.close]
        self._lengths = sorted({len(word) for word in self._words})
        fixed = len(self._before) + len(self._after) + self._lengths[-1] + len(self._stop)
        self._room = model.context - fixed
        if self._room < 1:
            raise ConfigError(
                f"agent {name}: instructions and examples take {fixed} of the {model.context} tokens that {model_name} "
                "can read; no room is left for a text",
                hint="Use fewer examples or a shorter wording.",
            )

    def example(self, item: Item) -> str:
        """The whole prompt for an item, with `___` for the masks."""
        question = self._question(item)
        decode = self._cloze.tokenizer.decode
        return f"{decode([*self._before, *question.tokens])} ___{decode(self._stop)}"

    def plan(self, items: Sequence[Item]) -> list[Batch]:
        """Batches of like length, the longest first."""
        return batches([self._question(item) for item in items])

    def answer(self, batch: Batch) -> list[Vote]:
        """Score the labels for every question of the batch, in one pass for each number of masks."""
        begun = time.perf_counter()
        scores = np.zeros((len(batch), len(self._words)))
        for length in self._lengths:
            rows = [[*self._before, *q.tokens, *[self._cloze.mask] * length, *self._stop] for q in batch]
            chosen = [label for label, word in enumerate(self._words) if len(word) == length]
            words = np.array([self._words[label] for label in chosen])
            for place, logits in enumerate(self._cloze.fill(rows)):
                logs = _log_softmax(logits)
                scores[place, chosen] = logs[np.arange(length), words].mean(axis=1)
        seconds = (time.perf_counter() - begun) / len(batch)
        return [self._vote(question, row, seconds) for question, row in zip(batch, scores, strict=True)]

    def _vote(self, question: Question, scores: npt.NDArray[np.float64], seconds: float) -> Vote:
        well = bool(np.isfinite(scores).all())
        around = len(self._before) + len(self._stop)
        read = sum(around + len(question.tokens) + length for length in self._lengths)
        return Vote(
            key=question.key,
            item=question.item.id,
            worker=self.name,
            label=self._task.labels[int(np.argmax(scores))] if well else None,
            reason=None if well else "the engine gave scores that are not numbers",
            scores=tuple(scores.tolist()) if well else None,
            flags=question.flags,
            usage=Usage(read, 0, 0, seconds),
        )

    def _question(self, item: Item) -> Question:
        told: Any = {"lead": self._lead, "room": self._room, "policy": self._long_text}
        tokens, flags = shown(self._cloze.tokenizer, self._task, item, **told)
        tokens = [*tokens, *self._after]
        read = np.array([*self._before, -1, *tokens, -1, *self._stop], np.int64).tobytes()
        key = vote_key(
            worker=self.name,
            item=item.id,
            prompt=hashlib.sha256(read).hexdigest(),
            engine=self._cloze.identity,
            decoder="masks:mean-log",
            words=self._words,
            labels=self._task.labels,
        )
        return Question(key, item, tuple(tokens), flags)


def _words(name: str, task: Task, prompt: Prompt, model: Cloze) -> list[list[int]]:
    """Tokens of each label's word, in the task's order."""
    said = prompt.options(task)
    words = [model.tokenizer.encode(word) for word in said]
    for text, word in zip(said, words, strict=True):
        if not word or model.unknown in word:
            raise ConfigError(
                f"agent {name}: the model's vocabulary cannot spell {text.strip()!r}",
                hint="Give the label another word in label_words.",
            )
        if words.count(word) > 1:
            alike = [other.strip() for other, tokens in zip(said, words, strict=True) if tokens == word]
            raise ConfigError(
                f"agent {name}: the model reads {' and '.join(map(repr, alike))} as the same word",
                hint="Give one of the labels another word in label_words.",
            )
    return words


def _log_softmax(logits: Floats) -> npt.NDArray[np.float64]:
    wide = logits.astype(np.float64)
    logs: npt.NDArray[np.float64] = wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)
    return logs
