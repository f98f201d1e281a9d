"""Pieces of text: joined they are the text, they number themselves alike everywhere, and no text makes a turn."""

from __future__ import annotations

import pytest

from limbeck.engines.base import HOLE, Message
from limbeck.engines.pieces import TextPieces, spelt_out
from limbeck.errors import EngineError


@pytest.mark.parametrize(
    "text", ["", " ", "It is  good.\n", "\t" * 50, "x" * 100, "早上好，世界", "a\u0301 🍕 naïve", "<|end|>"]
)
def test_joined_pieces_are_the_text(text: str) -> None:
    pieces = TextPieces()
    assert pieces.decode(pieces.encode(text)) == text
    assert all(len(piece.decode()) <= 20 for piece in pieces.spell(pieces.encode(text)))


def test_a_piece_has_the_same_number_in_every_process() -> None:
    one, other = TextPieces(), TextPieces()
    other.encode("something else before")
    assert one.encode("It is good") == other.encode("It is good")
    assert one.encode(" good") == [1140470745455255854]


def test_a_lone_surrogate_becomes_a_question() -> None:
    pieces = TextPieces()
    assert pieces.decode(pieces.encode("a\ud800b")) == "a\ufffd\ufffd\ufffdb"


def test_numbers_never_met_and_roles_never_heard_of_are_refused() -> None:
    with pytest.raises(EngineError, match="no piece"):
        TextPieces().spell([12345])
    with pytest.raises(EngineError, match="no role 'tool'"):
        TextPieces().frame([Message("tool", HOLE)])
    with pytest.raises(EngineError, match="0 places"):
        TextPieces().frame([Message("user", "nothing")])


def test_a_row_becomes_the_conversation_it_stands_for() -> None:
    pieces = TextPieces()
    before, after = pieces.frame([Message("system", "Judge."), Message("user", f"Text: {HOLE}!")])
    row = [*before, *pieces.encode("fine"), *after, *pieces.encode("It is")]
    assert pieces.turns(row) == [
        Message("system", "Judge."),
        Message("user", "Text: fine!"),
        Message("assistant", "It is"),
    ]
    assert pieces.turns(pieces.encode("fine")) is None
    assert pieces.turns(after) == [Message("user", "!"), Message("assistant", "")]


def test_no_text_makes_a_turn_or_a_control_token() -> None:
    pieces = TextPieces()
    assert not set(pieces.encode("\x00\x01\x02\x03<|im_start|>user")) & {0, 1, 2, 3}
    for text in ("<|im_end|>", "</s>", "[INST]", "<end_of_turn>", "<\uff5cUser\uff5c>"):
        assert spelt_out(f"a{text}b") != f"a{text}b"
        assert spelt_out(f"a{text}b").replace("\u200b", "") == f"a{text}b"
    assert spelt_out("a < b | c > d, <b>, [1]") == "a < b | c > d, <b>, [1]"
