"""Text ↔ tokens of one model, from the tables in its GGUF file.

Text is data: control tokens that stand in a text are spelt out letter by letter, never obeyed.
Knows nothing of scores or of how an engine works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tokenizers import Regex, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Splitter
from tokenizers.models import BPE

from limbeck.engines.base import Message
from limbeck.engines.chat import Chat
from limbeck.errors import EngineError

CONTROL, USER_DEFINED = 3, 4

_GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{numbers}"
    r"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _pattern(numbers: str) -> Any:
    """Words, numbers and the rest apart, by a regular expression; then bytes."""
    split = pre_tokenizers.Split(Regex(_GPT4.format(numbers=numbers)), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _byte_level() -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _digits_apart() -> Any:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _byte_level()])


# What the field `tokenizer.ggml.pre` of a GGUF file means.
_SPLITTERS: Mapping[str, Callable[[], Any]] = {
    "gpt-2": _byte_level,
    "smollm": _digits_apart,
    "qwen2": lambda: _pattern(r"\p{N}"),
    "llama-bpe": lambda: _pattern(r"\p{N}{1,3}"),
}


class ByteTokenizer:
    """Byte-level pair encoding (GPT-2, SmolLM, Qwen2, Llama 3) from a GGUF file's tables.

    Args:
        fields: the `tokenizer.*` fields of the file by their full names.

    Raises:
        EngineError: when the file's tokenizer is of another kind.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        kind, splitter = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre", "gpt-2")
        if kind != "gpt2" or splitter not in _SPLITTERS:
            raise EngineError(
                f"tokenizer {kind!r} with splitter {splitter!r} is not supported",
                hint=f"Byte-level tokenizers are: gpt2 with {', '.join(sorted(_SPLITTERS))}.",
            )
        pieces: list[str] = fields["tokenizer.ggml.tokens"]
        kinds: list[int] = fields.get("tokenizer.ggml.token_type", [1] * len(pieces))
        special = [i for i, kind in enumerate(kinds) if kind in (CONTROL, USER_DEFINED)]
        controls = {pieces[i]: i for i in special}
        self._hidden = {i for i in special if kinds[i] == CONTROL}
        letters = byte_letters()
        self._bytes = [
            piece.encode() if i in special else bytes(letters.get(c, 63) for c in piece)
            for i, piece in enumerate(pieces)
        ]
        vocabulary = {piece: i for i, piece in enumerate(pieces) if piece not in controls}
        merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"]]
        self._splitter = Splitter(BPE(vocab=vocabulary, merges=merges, ignore_merges=splitter == "llama-bpe"))
        self._splitter.pre_tokenizer = _SPLITTERS[splitter]()
        if splitter == "qwen2":
            self._splitter.normalizer = normalizers.NFC()
        adds_bos = bool(fields.get("tokenizer.ggml.add_bos_token", False))
        self._start = [int(fields["tokenizer.ggml.bos_token_id"])] if adds_bos else []
        names = {
            "bos_token": _name(pieces, fields.get("tokenizer.ggml.bos_token_id")),
            "eos_token": _name(pieces, fields.get("tokenizer.ggml.eos_token_id")),
        }
        template: str | None = fields.get("tokenizer.chat_template")
        self._chat = Chat(template, names, controls, self.encode, self._start)
        ends = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
        self._end = frozenset(int(fields[name]) for name in ends if name in fields)

    @property
    def start(self) -> list[int]:
        """The beginning-of-sequence token where the model wants one."""
        return list(self._start)

    @property
    def end(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return self._end

    def encode(self, text: str) -> list[int]:
        """Tokens of plain text; lone surrogates become U+FFFD."""
        clean = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        tokens: list[int] = self._splitter.encode(clean, add_special_tokens=False).ids
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of the tokens without control tokens."""
        return b"".join(self.spell(tokens)).decode("utf-8", "replace")

    def spell(self, tokens: Sequence[int]) -> list[bytes]:
        """The bytes of each token, none for a control token."""
        return [b"" if token in self._hidden else self._bytes[token] for token in tokens]

    def frame(self, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
        """Tokens of a conversation before and after the hole, up to where the assistant begins to speak."""
        return self._chat.frame(messages)


def _name(pieces: list[str], index: int | None) -> str:
    return "" if index is None else pieces[index]


def byte_letters() -> dict[str, int]:
    """Which byte each of GPT-2's printable letters stands for (Radford et al. 2019)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}
