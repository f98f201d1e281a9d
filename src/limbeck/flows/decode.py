"""decode: any prompts, answered by one decoder on one engine, with every branch behind the answer.

Knows nothing of tasks, votes or of any concrete engine or decoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

from limbeck.decoding.base import BRANCHES, Decoder, Draw, plan_batches
from limbeck.engines.base import HOLE, Engine, Message, Remote, Tokenizer, advance
from limbeck.errors import DataError, EngineError
from limbeck.flows.job import Notify, Progress, silent
from limbeck.pool import columns, read_rows

Style = Literal["chat", "qa", "plain"]
STYLES: tuple[Style, ...] = get_args(Style)
# Without a system turn of ours, many templates put in one of their own.
SYSTEM = "You are a helpful assistant."
QUESTION, ANSWER = "Q: ", "\nA:"


def texts_of(source: Path) -> list[str]:
    """The column `text` of any file that a pool may be.

    Raises:
        DataError: when it cannot be read or has no such column.
    """
    if "text" not in (there := columns(source)):
        raise DataError(f"{source}: there is no column 'text'", hint=f"The columns are: {', '.join(there)}.")
    return [row.fields.get("text") or "" for row in read_rows(source, only=("text",))]


def decode_all(
    engine: Engine | Remote,
    decoder: Decoder,
    prompts: Sequence[str],
    *,
    style: Style | None = None,
    branches: int = BRANCHES,
    notify: Notify = silent,
) -> Iterator[tuple[int, Draw]]:
    """Answer prompts in batches of like length: (number of the prompt, what was drawn), the longest prompts first.

    A prompt that leaves the answer no room in the context gets no answer and a reason.

    Args:
        engine: whatever state it is in.
        decoder: draws the answers.
        prompts: one or ten thousand.
        style: `chat`: by the model's template. `qa`: as "Q: …\\nA:", as CoT-decoding's paper has it. `plain`: as it is.
            None: chat where the model has a template, else qa.
        branches: rows of a batch at most, where the decoder makes several of one prompt.
        notify: is told of progress.

    Raises:
        EngineError: when a chat is wanted and the model has no template, or the engine cannot answer.
    """
    before, after = frame(engine.tokenizer, style)
    bodies = [body_of(engine.tokenizer, prompt, after) for prompt in prompts]
    room = engine.context - len(before) - decoder.reach
    short = [i for i, body in enumerate(bodies) if body and len(body) <= room]
    yield from (
        (i, Draw(None, 0, reason=_no_room(len(body), room))) for i, body in enumerate(bodies) if i not in set(short)
    )
    engine.reset()
    if before:
        advance(engine, before)
    prefix, done = engine.snapshot(), 0
    for batch in plan_batches([len(bodies[i]) for i in short], decoder.width, branches=branches):
        engine.restore(prefix)
        chosen = [short[place] for place in batch]
        yield from zip(chosen, decoder(engine, [bodies[i] for i in chosen]), strict=True)
        done += len(batch)
        notify(Progress("decode", done, len(short)))


def frame(tokenizer: Tokenizer, style: Style | None) -> tuple[list[int], list[int] | str]:
    """What stands before and behind each prompt; text behind it becomes tokens together with the prompt."""
    if style in (None, "chat"):
        try:
            return tokenizer.frame([Message("system", SYSTEM), Message("user", HOLE)])
        except EngineError:
            if style == "chat":
                raise
    return tokenizer.start, "" if style == "plain" else ANSWER


def body_of(tokenizer: Tokenizer, prompt: str, after: list[int] | str) -> list[int]:
    """Tokens of a prompt and of what `frame` puts behind it."""
    if not isinstance(after, str):
        return [*tokenizer.encode(prompt), *after]
    asked = prompt if not after or prompt.startswith(QUESTION) else QUESTION + prompt
    return tokenizer.encode(asked.removesuffix(after) + after)


def _no_room(size: int, room: int) -> str:
    if size == 0:
        return "the prompt is empty"
    return f"the prompt has {size} tokens and the model's context has room for {max(0, room)} beside the answer"
