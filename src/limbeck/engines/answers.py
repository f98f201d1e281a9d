"""What a server says → the text, and the log-probabilities at each place, whichever shape they come in.

Two shapes are in use: `tokens`, `token_logprobs` and `top_logprobs` side by side (vLLM, SGLang and llama-cpp-python on
/completions), and `content`, a list with one entry for each token (all on /chat/completions; llama.cpp on both).
Knows nothing of HTTP, of rows or of what was asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from limbeck.engines.pieces import ends
from limbeck.errors import EngineError

NAN = float("nan")
Listed = tuple[tuple[bytes, float], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One token that was generated.

    Attributes:
        piece: its bytes; none for the token that ended the answer.
        log: its log-probability in nats, NaN where the server gives none.
        top: the likeliest tokens at this place with their log-probabilities, most likely first.
    """

    piece: bytes
    log: float
    top: Listed


@dataclass(frozen=True, slots=True)
class Answer:
    """One continuation.

    Attributes:
        text: what the server says was generated.
        places: its tokens; None where the server gives no log-probabilities.
        finish: why it ended, in the server's word.
        stop: the stop text that came, where the server tells; "" where it tells that none did; else None.
    """

    text: str
    places: tuple[Place, ...] | None
    finish: str
    stop: str | None


def read(said: Any, server: str) -> Answer:
    """The first choice of a completion or a chat completion.

    Args:
        said: the server's answer, parsed from JSON.
        server: how to call the server in errors.

    Raises:
        EngineError: for an answer of any other shape.
    """
    choices = said.get("choices") if isinstance(said, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        _refuse(server, "there are no choices in it")
    choice = choices[0]
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if not isinstance(text, str | None) or (text is None and not isinstance(message, dict)):
        _refuse(server, "there is no text in it")
    # vLLM and SGLang tell which stop text it was, or that it was none, in a word of their own.
    told = [choice[name] for name in ("stop_reason", "matched_stop") if name in choice]
    stop = next((one if isinstance(one, str) else "" for one in told), None)
    try:
        places = _places(choice.get("logprobs"))
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
        _refuse(server, f"its log-probabilities cannot be read ({type(error).__name__})")
    return Answer(text or "", places, str(choice.get("finish_reason") or ""), stop)


def _places(said: Any) -> tuple[Place, ...] | None:
    if said is None:
        return None
    if said.get("content") is not None:
        return tuple(map(_entry, said["content"]))
    if said.get("tokens") is None:
        return None
    tokens, logs = said["tokens"], said["token_logprobs"]
    tops = said.get("top_logprobs") or [None] * len(tokens)
    return tuple(
        Place(_bare(_text(token)), _number(log), _sorted([(_text(t), _number(v)) for t, v in (top or {}).items()]))
        for token, log, top in zip(tokens, logs, tops, strict=True)
    )


def _entry(said: Any) -> Place:
    top = [(_piece(one), _number(one["logprob"])) for one in said.get("top_logprobs") or ()]
    return Place(_bare(_piece(said)), _number(said["logprob"]), _sorted(top))


def _piece(said: Any) -> bytes:
    # The bytes are exact where a token ends in the middle of a character; the text is not.
    raw = said.get("bytes")
    if raw is None:
        return _text(said["token"])
    if not isinstance(raw, list):
        raise TypeError
    return bytes(raw)


def _text(said: Any) -> bytes:
    if not isinstance(said, str):
        raise TypeError
    return said.encode("utf-8", "replace")


def _bare(piece: bytes) -> bytes:
    return b"" if ends(piece) else piece


def _number(said: Any) -> float:
    if said is None:
        return NAN
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise TypeError
    if said > 0.01:  # rounding may lift a certain token a little above 0
        raise ValueError
    return float(said)


def _sorted(found: Sequence[tuple[bytes, float]]) -> Listed:
    """The likeliest first; the tokens that end an answer, of which a model may have several, are taken together."""
    known = [(piece, log) for piece, log in found if not math.isnan(log)]
    rest = [(piece, log) for piece, log in known if not ends(piece)]
    ending = [log for piece, log in known if ends(piece)]
    if ending:
        peak = max(ending)
        share = sum(math.exp(log - peak) for log in ending) if math.isfinite(peak) else 1.0
        rest.append((b"", peak + math.log(share)))
    return tuple(sorted(rest, key=lambda one: -one[1]))


def _refuse(server: str, why: str) -> NoReturn:
    raise EngineError(
        f"{server} answered in a shape that is not known: {why}",
        hint="The server must speak the OpenAI protocol; engine.server.url usually ends in /v1.",
    )
