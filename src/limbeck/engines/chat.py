"""A model's chat template in a sandbox: a conversation in, the tokens before and after the place of the text out.

Text is data: control tokens that stand in a message are spelt out, never obeyed. Only the template itself may place
them. Knows nothing of scores, or of where a template and a vocabulary come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jinja2
import jinja2.sandbox

from limbeck.engines.base import HOLE, Message
from limbeck.errors import EngineError


@dataclass(frozen=True, slots=True)
class Chat:
    """One model's way to write a conversation down.

    Attributes:
        template: the Jinja source, or None where the model brings none.
        names: what the template may call by name, such as `bos_token`.
        special: text of each control token → the token.
        encode: tokens of plain text.
        start: what a row must begin with, where the template does not begin so itself.
    """

    template: str | None
    names: Mapping[str, str]
    special: Mapping[str, int]
    encode: Callable[[str], list[int]]
    start: Sequence[int] = ()

    def frame(self, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
        """Tokens of a conversation before and after the hole; see `Tokenizer.frame`."""
        if self.template is None:
            raise EngineError("this model has no chat template", hint="Use `style: plain` for this agent.")
        # The template sees a mark in place of each content, so that no content can take part in its control flow.
        marks = [f"\x02{i}\x03" for i in range(len(messages))]
        shown = [{"role": m.role, "content": mark} for m, mark in zip(messages, marks, strict=True)]
        text = self._render(self.template, shown)
        begun = self.names.get("bos_token")
        sides: list[list[int]] = [[] if begun and text.startswith(begun) else list(self.start)]
        for part in re.split(r"(\x02\d+\x03)", text):
            if part in marks:
                first, *others = messages[marks.index(part)].content.split(HOLE)
                sides[-1] = sides[-1] + self.encode(first)
                sides += [self.encode(other) for other in others]
            else:
                sides[-1] = sides[-1] + self._encode_template(part)
        if len(sides) != 2:
            raise EngineError(
                f"the model's chat template shows the text {len(sides) - 1} times instead of once",
                hint="Use `style: plain` for this agent.",
            )
        return sides[0], sides[1]

    def _render(self, source: str, messages: list[dict[str, str]]) -> str:
        # Loop controls change how a loop runs and nothing else; templates of the hub may use them.
        sandbox = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        sandbox.globals["raise_exception"] = _refuse
        try:
            template = sandbox.from_string(source)
            return template.render(messages=messages, add_generation_prompt=True, tools=None, **self.names)
        except (jinja2.TemplateError, TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
            raise EngineError(
                f"the model's chat template failed: {error}", hint="Use `style: plain` for this agent."
            ) from error

    def _encode_template(self, text: str) -> list[int]:
        """Tokens of a template's own text, where control tokens count."""
        longest_first = sorted(self.special, key=len, reverse=True)
        marks = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        tokens, position = [], 0
        for mark in marks.finditer(text):
            tokens += self.encode(text[position : mark.start()])
            tokens.append(self.special[mark.group()])
            position = mark.end()
        return tokens + self.encode(text[position:])


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)
