"""Text ↔ pieces for a model behind a server, whose own tokens are not known here.

A piece is a word or a part of one, numbered by a hash of its bytes, so that equal texts have equal numbers in every
process. Joined, the pieces are exactly the text. Turns of a conversation begin with a control piece that no text can
produce; from these a row is turned back into messages. Knows nothing of servers, prompts or scores.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from limbeck.engines.base import HOLE, Message
from limbeck.errors import EngineError

END = 0
_TURNS = {"system": 1, "user": 2, "assistant": 3}
_ROLES = {number: role for role, number in _TURNS.items()}
_CONTROLS = 1 + len(_TURNS)
# Latin words are about a token and a half; in other scripts a character often is a token. Long runs are cut, so that a
# text can always be shortened piece by piece.
_PIECE = re.compile(r"\s{0,8}(?:[!-\u024f]{1,12}|\S{1,2})|\s{1,8}")
# How control tokens of the common model families look. Servers obey them wherever they stand in a text.
_CONTROL_LIKE = re.compile(
    r"<[|\uff5c][^|\uff5c<>\s]{1,40}[|\uff5c]>|</?s>|<(?:bos|eos|pad|unk)>|<(?:start|end)_of_turn>|\[/?INST\]"
)


class TextPieces:
    """A tokenizer of pieces; keeps every piece it has met, so that numbers can be spelt again."""

    start: list[int] = []  # noqa: RUF012 - part of the Tokenizer protocol, never changed
    end = frozenset({END})

    def __init__(self) -> None:
        self._bytes: dict[int, bytes] = dict.fromkeys(range(_CONTROLS), b"")

    def encode(self, text: str) -> list[int]:
        """Pieces of plain text; lone surrogates become U+FFFD."""
        clean = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        return [self.number(found.group().encode()) for found in _PIECE.finditer(clean)]

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of the pieces without the turns' marks; bytes that are no UTF-8 become U+FFFD."""
        return b"".join(self.spell(tokens)).decode("utf-8", "replace")

    def spell(self, tokens: Sequence[int]) -> list[bytes]:
        """The bytes of each piece, none for a control piece.

        Raises:
            EngineError: for a number that this tokenizer never gave.
        """
        try:
            return [self._bytes[token] for token in tokens]
        except KeyError as error:
            raise EngineError(f"{error} is no piece of text that was met here") from None

    def frame(self, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
        """Pieces of a conversation before and after the hole, ending where the assistant begins to speak.

        Raises:
            EngineError: for a role that is not known, or when the hole is not there once.
        """
        sides: list[list[int]] = [[]]
        for message in messages:
            if message.role not in _TURNS:
                raise EngineError(f"a conversation has no role {message.role!r}; known: {', '.join(_TURNS)}")
            first, *others = message.content.split(HOLE)
            sides[-1] += [_TURNS[message.role], *self.encode(first)]
            sides += [self.encode(other) for other in others]
        if len(sides) != 2:
            raise EngineError(f"the conversation has {len(sides) - 1} places for a text instead of one")
        return sides[0], [*sides[1], _TURNS["assistant"]]

    def number(self, piece: bytes) -> int:
        """The number of a piece that may be no whole word, such as a server's token; `END` for no bytes at all."""
        if not piece:
            return END
        # 62 bits keep numbers in int64; a clash among a million pieces has odds of one to nine million.
        digest = hashlib.blake2b(piece, digest_size=8).digest()
        token = (int.from_bytes(digest, "big") >> 2) + _CONTROLS
        if self._bytes.setdefault(token, piece) != piece:
            raise EngineError("two pieces of text have the same number; shorten one of the two texts")
        return token

    def turns(self, row: Sequence[int]) -> list[Message] | None:
        """A row as the conversation that it stands for; None for plain text, which has no turns.

        Text before the first mark is taken for what the user says. A last message of the assistant is what it has
        begun to say, and may be empty.
        """
        if not any(token in _ROLES for token in row):
            return None
        turns: list[tuple[str, list[int]]] = [("user", [])]
        for token in row:
            if token in _ROLES:
                turns.append((_ROLES[token], []))
            else:
                turns[-1][1].append(token)
        if not turns[0][1] and turns[1][0] != "assistant":
            del turns[0]
        return [Message(role, self.decode(pieces)) for role, pieces in turns]


def spelt_out(text: str) -> str:
    """The text with control tokens broken up by a zero-width space, so that a server reads them as text.

    A server tokenizes a prompt with its control tokens on, whoever wrote them; text from the data must not end a turn.
    """
    return _CONTROL_LIKE.sub(lambda found: f"{found.group()[0]}\u200b{found.group()[1:]}", text)


def ends(piece: bytes) -> bool:
    """Whether a server's token ends the answer: it is shown as nothing, or as a control token's name."""
    return not piece or _CONTROL_LIKE.fullmatch(piece.decode("utf-8", "replace")) is not None
