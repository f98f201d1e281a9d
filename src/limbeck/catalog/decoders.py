"""The `decode` section → a decoder, and the kinds of answers by name.

Knows nothing of engines or of tasks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from limbeck.catalog.names import DECODERS, GRAMMAR, RULES, resolve
from limbeck.decoding.answers import YES_NO, AnswerKind, Number, Option, Pattern, Phrase, Words
from limbeck.errors import ConfigError
from limbeck.task import DecodeSection

# Name of a kind of answer → what makes it of the part behind the colon.
ANSWERS: dict[str, Callable[[str], AnswerKind]] = {
    "number": lambda _: Number(),
    "yes-no": lambda _: YES_NO,
    "option": lambda letters: Option(letters or "ABCDE"),
    "phrase": lambda cue: Phrase(cue or "So the answer is"),
    "label": lambda words: Words.of([word.strip() for word in words.split(",")], "label"),
    "pattern": Pattern,
}


def answer_kind(text: str) -> AnswerKind:
    """A kind of answer by its name: `number`, `yes-no`, `option:ABCD`, `phrase`, `label:good,bad`, `pattern:REGEX`.

    Raises:
        ConfigError: for an unknown name or a regular expression that is none.
    """
    name, _, told = text.partition(":")
    if name not in ANSWERS or (name in ("label", "pattern") and not told.strip(" ,")):
        raise ConfigError(f"{text!r} names no kind of answer", hint=f"Kinds are: {', '.join(ANSWERS)}.")
    if name == "pattern":
        try:
            re.compile(told)
        except re.error as error:
            raise ConfigError(f"{told!r} is no regular expression: {error}", hint="Try pattern:(\\d+)") from error
    return ANSWERS[name](told)


def build_decoder(
    section: DecodeSection, kind: AnswerKind, *, choice: Callable[[], Any], values: Sequence[str] = (), seed: int = 0
) -> Any:
    """The decoder that a section describes.

    Args:
        section: what a task file or a command line says.
        kind: what an answer is, for decoders that write.
        choice: makes the label scoring of this prompt; called where the section wants it.
        values: the answers that are the task's options, in their order; empty for open answers.
        seed: of the draws.
    """
    name = section.name
    told: Any = getattr(section, name)
    make = resolve(DECODERS[name])
    if name == "choice":
        return choice()
    if name == "greedy":
        return make(_policy(kind, told, values), k=1)
    if name == "cot":
        return make(_policy(kind, told, values), k=told.k, at=told.at)
    if name == "gate":
        then = resolve(DECODERS["cot"])(_policy(kind, told.cot, values), k=told.cot.k, at=told.cot.at)
        return make(choice(), then, margin=told.margin)
    drawn = told.model_dump(exclude={"paths", "max_tokens", "aggregate", "stop", "threshold", "m", "window", "form"})
    sampling = resolve("limbeck.decoding.sampling:Sampling")(**drawn)
    form = None if told.form is None else resolve(GRAMMAR)(*told.form.told)
    paths = getattr(told, "paths", 1)
    return make(_policy(kind, told, values), paths=paths, sampling=sampling, seed=seed, form=form)


def _policy(kind: AnswerKind, told: Any, values: Sequence[str]) -> Any:
    """How branches end, vote and suffice; a decoder with a single branch has nothing to say of the latter two."""
    stop = getattr(told, "stop", "none")
    rule = resolve(RULES[stop])
    settings = {
        "adaptive": lambda: rule(told.threshold),
        "window": lambda: rule(told.window or 5),
        "short": lambda: rule(told.m),
    }
    return resolve("limbeck.decoding.trees:Policy")(
        kind,
        max_tokens=told.max_tokens,
        aggregate=getattr(told, "aggregate", "sum"),
        stop=settings.get(stop, rule)(),
        window=getattr(told, "window", 0),
        values=tuple(values),
    )
