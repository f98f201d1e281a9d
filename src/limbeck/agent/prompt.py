"""How an item becomes a prompt: instructions, worked examples, the text, and the words just before the answer.

Knows nothing of tokens, engines or models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from limbeck.agent.remark import Remark
from limbeck.engines.base import HOLE, Message
from limbeck.task import Task

CHAT, PLAIN, MASKED = "chat", "plain", "masked"

# style → wording and cue, where the task file gives none.
DEFAULTS = {
    CHAT: ("{Noun}: {text}", "{Aspect}:"),
    PLAIN: ("{instructions}\n\n{Noun}: {text}", "{Aspect}:"),
    MASKED: ("{Noun}: {text}", "The {aspect} of the {noun} is"),
}
# The same for decoders that write before they answer: a cue would ask for the answer at once.
WRITING = {
    CHAT: ("{Noun}: {text}", ""),
    PLAIN: ("{instructions}\n\n{Noun}: {text}", "Answer:"),
}
# Wordings for pairs, whose texts stand under their columns' names, where the task file gives none.
PAIRED = {CHAT: "{text}", PLAIN: "{instructions}\n\n{text}", MASKED: "{text}"}
# Where each label is asked about by itself: the question behind the text, by style.
ASKED = {CHAT: "Does {label} apply to this {noun}?", PLAIN: "\nQuestion: Does {label} apply to this {noun}?"}
SEVERAL_CUES = {CHAT: "", PLAIN: "Answer:"}
# The agents of a task file that names none: one small model asked in unlike ways.
COMMITTEE: tuple[dict[str, str], ...] = (
    {"name": "plain", "model": "smollm2-135m-instruct", "style": PLAIN},
    {"name": "sentence", "model": "smollm2-135m-instruct", "style": PLAIN, "cue": "The {aspect} of the {noun} is"},
    {
        "name": "bare",
        "model": "smollm2-135m-instruct",
        "style": PLAIN,
        "wording": "{Noun}: {text}",
        "cue": "The {aspect} of this {noun} is",
    },
    {"name": "similarity", "encoder": "all-minilm-l6-v2"},
)
# The same for pairs, where a text's likeness to what a label means says nothing.
PAIR_COMMITTEE: tuple[dict[str, str], ...] = (
    *COMMITTEE[:2],
    {"name": "chat", "model": "smollm2-135m-instruct", "style": CHAT},
)
# The same for open questions, which are reasoned about and not scored.
OPEN_COMMITTEE: tuple[dict[str, str], ...] = (
    {"name": "chat", "model": "smollm2-135m-instruct", "style": CHAT, "decode": "cot"},
)
# The same for several labels.
SEVERAL_COMMITTEE: tuple[dict[str, str], ...] = (COMMITTEE[0], *PAIR_COMMITTEE[-1:], *COMMITTEE[-1:])


@dataclass(frozen=True, slots=True)
class Prompt:
    """One way of asking.

    Attributes:
        style: `chat` (the model's own template), `plain` (text that the answer continues) or `masked` (text with the
            answer's place at the end, for a masked model).
        wording: the question; may use {instructions}, {labels}, {noun}, {aspect}, {Noun}, {Aspect} (with a capital) and
            must use {text} once. A chat begins with the instructions as the system's turn in any case.
        cue: the words with which the answer begins, such as "Sentiment:"; may use {noun} and {aspect}.
        label_words: label → the word that stands for it in prompt and answer, where it is not the label itself.
        label_order: order in which labels are listed: given, reversed or shuffled (by a seed of the task's name).
        examples: worked examples as (text, label).
        role: who is asked, said before everything else, such as "You are a strict editor."; may use the placeholders
            of `cue`.
        spoken: label → the word for it in what others said, where that is not the one of `label_words`.
    """

    style: str
    wording: str
    cue: str
    label_words: tuple[tuple[str, str], ...] = ()
    label_order: str = "given"
    examples: tuple[tuple[str, str], ...] = ()
    role: str = ""
    spoken: tuple[tuple[str, str], ...] | None = None

    @property
    def lead(self) -> str:
        """The blank before the text, which tokenizers join with the text's first word."""
        return " " if " {text}" in self.wording else ""

    def options(self, task: Task) -> list[str]:
        """The answer text of each label, in the task's order, as it follows the cue."""
        words = dict(self.label_words)
        lead = " " if self.cue else ""
        return [lead + words.get(label, label) for label in task.labels]

    def questions(self, task: Task) -> list[str]:
        """What asks for each label behind the text, where each is asked about by itself."""
        named = [
            f'the label "{label}"' + (f" ({about.strip()})" if about else "")
            for label, about in zip(task.labels, task.descriptions, strict=True)
        ]
        return [ASKED[self.style].replace("{label}", name).replace("{noun}", task.noun) for name in named]

    def messages(self, task: Task) -> list[Message]:
        """The conversation with a hole for the text; the last message is what the assistant has begun to say."""
        words = dict(self.label_words)
        cue = self._fill(self.cue, task)
        # Without a system turn of ours, many templates put in one of their own.
        role = self._fill(self.role, task) + "\n\n" if self.role else ""
        turns = [Message("system", role + self._fill("{instructions}", task))] if self.style == CHAT else []
        for i, (text, label) in enumerate(self.examples):
            turns.append(Message("user", self._ask(task, text, first=i == 0)))
            turns.append(Message("assistant", f"{cue} {words.get(label, label)}".strip()))
        turns.append(Message("user", self._ask(task, HOLE, first=not self.examples)))
        turns.append(Message("assistant", cue))
        if role and self.style != CHAT:
            turns[0] = Message("user", role + turns[0].content)
        return turns

    def remark(self, remark: Remark, task: Task) -> str:
        """What others answered, as it stands behind the text."""
        lead, close = self._fill(remark.lead, task), self._fill(remark.close, task)
        words = self.label_words if self.spoken is None else self.spoken
        return replace(remark, lead=lead, close=close).text(dict(words))

    def document(self, task: Task) -> str:
        """The plain prompt with a hole for the text, up to where the answer begins."""
        *past, last, begun = self.messages(task)
        pairs = zip(past[::2], past[1::2], strict=True)
        shown = [f"{ask.content}\n{said.content}\n\n" for ask, said in pairs]
        return "".join(shown) + f"{last.content}\n{begun.content}"

    def _ask(self, task: Task, text: str, *, first: bool) -> str:
        # Instructions stand once, before the first example. The text goes in last: placeholders in it are text.
        wording = self.wording if first else self.wording.replace("{instructions}", "").lstrip()
        before, after = wording.split("{text}", 1)
        lead = self.lead if text != HOLE else ""
        return self._fill(before.removesuffix(" "), task) + lead + text + self._fill(after, task)

    def _fill(self, template: str, task: Task) -> str:
        words = dict(self.label_words)
        listed = [words.get(label, label) for label in self._ordered(task)]
        values = {
            "instructions": task.instructions,
            "labels": " or ".join(filter(None, [", ".join(listed[:-1]), *listed[-1:]])),
            "noun": task.noun,
            "aspect": task.aspect,
            "Noun": capital(task.noun),
            "Aspect": capital(task.aspect),
        }
        for name, value in values.items():
            template = template.replace("{" + name + "}", value.replace(HOLE, "\ufffd"))
        return template

    def _ordered(self, task: Task) -> Sequence[str]:
        if self.label_order == "reversed":
            return task.labels[::-1]
        if self.label_order == "shuffled":
            order = np.random.default_rng(len(task.labels)).permutation(len(task.labels))
            return [task.labels[i] for i in order]
        return task.labels


def in_order(pairs: Sequence[tuple[str, str]], *, choose: str, seed: int) -> list[tuple[str, str]]:
    """Worked examples in the order in which a prompt takes them.

    Args:
        pairs: (text, label).
        choose: `first`: as they are, `random` by the seed, or `balanced`: likewise, the labels in turn.
        seed: of the draw.
    """
    known = list(pairs)
    if choose != "first":
        known = [known[i] for i in np.random.default_rng(seed).permutation(len(known))]
    if choose == "balanced":
        rank: dict[str, int] = {}
        order = []
        for _, label in known:
            rank[label] = rank.get(label, 0) + 1
            order.append(rank[label])
        known = [known[i] for i in np.argsort(order, kind="stable")]
    return known


def capital(words: str) -> str:
    """The same words with a capital first letter."""
    return words[:1].upper() + words[1:]
