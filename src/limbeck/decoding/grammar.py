"""Answers that keep to a form: a JSON schema, a regular expression or a Lark grammar (package `llguidance`).

Tokens that the grammar forbids are out before a token is drawn, and after the raw logits were read: a path's
log-probabilities and margins are those of the model, not of what the grammar left. Knows nothing of answers, votes or
of any concrete engine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal, cast

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from limbeck.decoding.paths import Pick
from limbeck.decoding.truncation import Mask
from limbeck.engines.base import Floats, Integers, Tokenizer
from limbeck.errors import ConfigError, EngineError


@dataclass(frozen=True, slots=True)
class Grammar:
    """A form that answers must have; see `Form`.

    Attributes:
        text: the schema as JSON text, the expression, or the grammar whose first rule is `start`.
        language: what `text` is written in. JSON answers are written with single spaces after commas and colons and no
            other white space, which a small model might never end.

    Raises:
        ConfigError: when the text is no such thing.
    """

    text: str
    language: Literal["json", "regex", "lark"] = "json"

    def __post_init__(self) -> None:
        wrong = LLMatcher.validate_grammar(self._compiled())
        if wrong:
            raise ConfigError(f"grammar ({self.language}): {wrong.strip()}")

    @property
    def identity(self) -> str:
        """The language and a hash of the text."""
        return f"{self.language}:{hashlib.sha256(self.text.encode()).hexdigest()[:16]}"

    def guard(self, tokenizer: Tokenizer, inner: Pick, said: Sequence[Sequence[int]]) -> Pick:
        """Keep some paths to the form; see `Form.guard`."""
        return Guard(self._compiled(), tokenizer, inner, said)

    def _compiled(self) -> str:
        """The text in the form that the library takes."""
        spaced = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
        try:
            if self.language == "json":
                json.loads(self.text)
        except ValueError as error:
            raise ConfigError(f"grammar (json): the schema is no JSON: {error}") from error
        compiled: str = {
            "regex": LLMatcher.grammar_from_regex,
            "lark": LLMatcher.grammar_from_lark,
            "json": partial(LLMatcher.grammar_from_json_schema, overrides=spaced),
        }[self.language](self.text)
        return compiled


class Guard:
    """Takes what a grammar forbids out of the logits and lets another pick from the rest; see `Pick`.

    Where the grammar is complete, only the end is left.

    Args:
        grammar: as the library takes it.
        tokenizer: of the model whose tokens are picked.
        inner: picks among what is left.
        said: the tokens of each path so far. They are looked at, never copied: as paths grow, these must grow.
    """

    def __init__(self, grammar: str, tokenizer: Tokenizer, inner: Pick, said: Sequence[Sequence[int]]) -> None:
        self._grammar, self._tokenizer, self._inner, self._said = grammar, tokenizer, inner, said
        self._first: LLMatcher | None = None
        self._states: dict[int, LLMatcher] = {}
        self._read = [0] * len(said)

    def __call__(self, logits: Floats, numbers: Sequence[int]) -> Integers:
        """A token for each row; see `Pick.__call__`.

        Raises:
            EngineError: when a path has left the grammar, or the grammar is too much for the library.
        """
        size = logits.shape[1]
        left = np.full(logits.shape, -np.inf, np.float32)
        for place, number in enumerate(numbers):
            np.copyto(left[place], logits[place], where=self._allowed(number, size))
        return self._inner(left, numbers)

    def wish(self, number: int) -> tuple[Mapping[str, float], int]:
        """A server is not asked to keep to a grammar.

        Raises:
            ConfigError: always.
        """
        del number
        raise ConfigError(
            "a grammar needs a model in this process: this side cannot mask a server's tokens",
            hint="Take a local model for this agent, or leave the grammar out.",
        )

    def _allowed(self, number: int, size: int) -> Mask:
        """What path `number` may say next, shape [size]."""
        state, said = self._state(number, size), self._said[number]
        state.consume_tokens([int(token) for token in said[self._read[number] :]])
        self._read[number] = len(said)
        bits = np.frombuffer(state.compute_bitmask(), np.uint8)
        if state.is_error():
            raise EngineError(
                f"the grammar cannot be followed: {state.get_error().splitlines()[0]}", hint="Take a simpler grammar."
            )
        return np.unpackbits(bits, count=size, bitorder="little").astype(np.bool_)

    def _state(self, number: int, size: int) -> LLMatcher:
        """Where path `number` is in the grammar, which is read once for all paths."""
        if self._first is None:
            self._first = LLMatcher(_lexicon(cast(Hashable, self._tokenizer), size), self._grammar, log_level=0)
        if number not in self._states:
            self._states[number] = self._first.deep_copy()
        return self._states[number]


class _Words:
    """A vocabulary as the library asks for it; tokens without bytes can never be said, but for the ends."""

    bos_token_id = None

    def __init__(self, tokenizer: Tokenizer, size: int) -> None:
        ends = tokenizer.end
        self.tokens = [b"" if token in ends else _spelt(tokenizer, token) for token in range(size)]
        self.eos_token_id = min(ends)
        self.special_token_ids = [token for token, piece in enumerate(self.tokens) if not piece]
        self._encode = tokenizer.encode

    def __call__(self, text: bytes | str) -> list[int]:
        return self._encode(text if isinstance(text, str) else text.decode("utf-8", "replace"))


def _spelt(tokenizer: Tokenizer, token: int) -> bytes:
    """The bytes of a token; none behind the vocabulary's end, since models' rows are padded."""
    try:
        return tokenizer.spell([token])[0]
    except IndexError:
        return b""


@lru_cache(maxsize=2)
def _lexicon(model: Hashable, size: int) -> LLTokenizer:
    """The library's own picture of a tokenizer's vocabulary, which takes a moment to draw.

    Raises:
        EngineError: when the model has no token that ends an answer.
    """
    tokenizer = cast(Tokenizer, model)
    if not tokenizer.end:
        raise EngineError("this model has no token that ends an answer, so no grammar can be completed")
    words = TokenizerWrapper(_Words(tokenizer, size))
    return LLTokenizer(words, n_vocab=size, eos_token=sorted(tokenizer.end))
