"""Models behind any OpenAI-compatible server: vLLM, SGLang, llama.cpp's server, llama-cpp-python's, Ollama.

Rows are held here as pieces of text and sent whole; a server that caches prefixes computes them once. A row with turns
goes to /chat/completions, where the server's own template is used, any other to /completions. Knows nothing of prompts,
labels or strategies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.engines.answers import NAN, Answer, Listed, Place, read
from limbeck.engines.base import Path, Peaks, Wish
from limbeck.engines.pieces import END, TextPieces, spelt_out
from limbeck.engines.transport import Client, Query
from limbeck.engines.walk import Spot, walk
from limbeck.errors import EngineError

CONTEXT, TOP = 4096, 20
# The sampling that is wished for → the type that servers insist on.
_SAMPLING: Mapping[str, type] = {"temperature": float, "top_p": float, "top_k": int, "min_p": float}
Row = tuple[int, ...]


class ServerEngine:
    """One model of one server; keeps the `Remote` protocol.

    Args:
        client: asks the server.
        model: its name, as the server knows it.
        name: the same as it may be shown and kept: without a path.
        context: the longest row, in pieces.
        top: how many log-probabilities are asked for to score options; servers allow 5 to 20, some any number.
    """

    def __init__(
        self, client: Client, model: str, *, name: str | None = None, context: int = CONTEXT, top: int = TOP
    ) -> None:
        self._client, self._model, self._name = client, model, name or model
        self._context, self._top = context, top
        self._pieces = TextPieces()
        self._rows: list[Row] = [()]

    @property
    def tokenizer(self) -> TextPieces:
        """Text ↔ pieces."""
        return self._pieces

    @property
    def context(self) -> int:
        """The longest row, in pieces."""
        return self._context

    @property
    def identity(self) -> str:
        """The model's name and how many log-probabilities are seen; not where the server stands."""
        return f"server:{self._name}:top-{self._top}"

    def hold(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> None:
        """Continue rows of the previous call; see `Remote.hold`.

        Raises:
            EngineError: for a row that is still empty, a parent that does not exist, or a row longer than the context.
        """
        if len(rows) != len(parents) or not all(0 <= parent < len(self._rows) for parent in parents):
            raise EngineError(f"hold: a parent does not exist; the engine holds {len(self._rows)} rows")
        grown = [(*self._rows[parent], *row) for row, parent in zip(rows, parents, strict=True)]
        if not grown or not all(grown):
            raise EngineError("hold: a row without pieces cannot be asked about")
        longest = max(map(len, grown))
        if longest > self._context:
            raise EngineError(f"hold: a row of {longest} pieces is longer than the context of {self._context}")
        self._rows = grown

    def peaks(self, k: int) -> Peaks:
        """The k likeliest next pieces of each row, or as many as the server tells.

        Ends of the answer, of which a model may have several, are one piece with their sum.

        Raises:
            EngineError: when the server gives no log-probabilities, or no answer after all retries.
        """
        lists = self._lists([(row, b"") for row in range(len(self._rows))], k)
        width = min(k, *map(len, lists))
        tokens = [[self._pieces.number(piece) for piece, _ in listed[:width]] for listed in lists]
        logs = [[log for _, log in listed[:width]] for listed in lists]
        return Peaks(np.array(tokens, np.int64), np.array(logs, np.float32))

    def complete(self, wishes: Sequence[Wish]) -> list[Path]:
        """Continue each row as wished; margins are NaN where the server gives no log-probabilities.

        A row that has ended is not asked about. Where a server does not tell a stop text from the end of an answer, a
        path that was wished to stop and that shows no end token counts as stopped.

        Raises:
            EngineError: when the server does not answer after all retries.
        """
        if len(wishes) != len(self._rows):
            raise EngineError(f"complete: {len(wishes)} wishes for {len(self._rows)} rows")
        asked = [i for i, row in enumerate(self._rows) if not (row and row[-1] == END) and wishes[i].limit > 0]
        answers = self._client.ask([self._query(self._rows[i], b"", wishes[i], 2) for i in asked])
        found = {
            i: self._path(i, read(said, self._client.server), wishes[i]) for i, said in zip(asked, answers, strict=True)
        }
        return [
            found.get(i) or Path([], [], [], "end" if row and row[-1] == END else "length")
            for i, row in enumerate(self._rows)
        ]

    def score(self, options: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        """Log-probability of each option after each row, shape [rows, options], in nats.

        An option that is one of the server's tokens is read off the likeliest first tokens; a longer one is walked, a
        listed token at a time. Where an option leaves the listed tokens its score is bounded by the least listed one,
        which is the most that it can be. See `walk`.

        Raises:
            EngineError: when the server gives no log-probabilities, or for an option without text.
        """
        texts = [b"".join(self._pieces.spell(option)) for option in options]
        if not all(texts):
            raise EngineError("score: an option without text cannot be scored")
        return walk(len(self._rows), texts, lambda spots: self._lists(spots, self._top))

    def reset(self) -> None:
        """Forget everything: one empty row again."""
        self._rows = [()]

    def snapshot(self) -> list[Row]:
        """The rows."""
        return list(self._rows)

    def restore(self, state: list[Row]) -> None:
        """Go back to rows that `snapshot` gave."""
        self._rows = list(state)

    def _lists(self, spots: Sequence[Spot], k: int) -> list[Listed]:
        """The likeliest next tokens at each spot; equal questions are asked once."""
        wish, places = Wish(1), [(self._rows[row], begun) for row, begun in spots]
        if any(row and row[-1] == END for row, _ in places):
            raise EngineError("a row that has ended has no next piece")
        once = list(dict.fromkeys(places))
        answers = self._client.ask([self._query(row, begun, wish, k) for row, begun in once])
        found = {place: self._listed(said) for place, said in zip(once, answers, strict=True)}
        return [found[place] for place in places]

    def _listed(self, said: Any) -> Listed:
        places = read(said, self._client.server).places
        listed = places[0].top if places else ()
        if not listed:
            why = "" if places is None else ": it lists no next token"
            raise EngineError(
                f"{self._client.server} gives no log-probabilities for {self._name}{why}",
                hint="Label scoring and CoT-decoding need them. Start the server so that it gives them "
                "(llama-cpp-python: logits_all; Ollama: a recent version), or let the agent write its answer out.",
            )
        return listed

    def _query(self, row: Row, begun: bytes, wish: Wish, top: int) -> Query:
        body: dict[str, Any] = {"model": self._model, "max_tokens": wish.limit, "stream": False, "temperature": 0.0}
        body |= {name: _SAMPLING[name](value) for name, value in wish.sampling.items() if name in _SAMPLING}
        if wish.stops:
            body["stop"] = list(wish.stops)
        if wish.seed is not None:
            # Servers keep seeds in 32 or 64 bits.
            body["seed"] = wish.seed % 2**31
        tail = begun.decode("utf-8", "replace")
        turns = self._pieces.turns(row)
        if turns is None:
            return Query("completions", body | {"prompt": spelt_out(self._pieces.decode(row) + tail), "logprobs": top})
        body |= {"logprobs": True, "top_logprobs": top}
        texts = [turn.content for turn in turns[:-1]] + [turns[-1].content + tail]
        if turns[-1].role == "assistant" and not texts[-1]:
            turns, texts = turns[:-1], texts[:-1]
        elif turns[-1].role == "assistant":
            # vLLM and SGLang want to be told that the last message goes on; llama.cpp and Ollama see it themselves.
            body |= {"continue_final_message": True, "add_generation_prompt": False}
            # Templates of models that think first refuse a begun answer or think behind it; others ignore this.
            body["chat_template_kwargs"] = {"enable_thinking": False}
        shown = [{"role": turn.role, "content": spelt_out(text)} for turn, text in zip(turns, texts, strict=True)]
        return Query("chat/completions", body | {"messages": shown})

    def _path(self, row: int, answer: Answer, wish: Wish) -> Path:
        places = answer.places
        if places is None:
            text = answer.text.removeprefix(self._begun(row))
            places = tuple(Place(piece, NAN, ()) for piece in self._pieces.spell(self._pieces.encode(text)))
        said = [place for place in places if place.piece]
        kept, stopped = _before(wish.stops, said)
        path = Path(
            [self._pieces.number(piece) for piece, _ in kept],
            [place.log for _, place in kept],
            [_margin(place) for _, place in kept],
        )
        closed = any(not place.piece for place in places)
        path.end = _end(answer, stopped=stopped, closed=closed, wished=bool(wish.stops))
        return path

    def _begun(self, row: int) -> str:
        """What the assistant had begun to say, which some servers repeat in their answer."""
        turns = self._pieces.turns(self._rows[row])
        return spelt_out(turns[-1].content) if turns and turns[-1].role == "assistant" else ""


def _before(stops: Sequence[str], places: Sequence[Place]) -> tuple[list[tuple[bytes, Place]], bool]:
    """The places before the first stop text, the last of them perhaps cut short; whether one was there."""
    text = b"".join(place.piece for place in places)
    found = [at for stop in stops if stop and (at := text.find(stop.encode("utf-8", "replace"))) >= 0]
    left = min(found, default=len(text))
    kept = []
    for place in places:
        piece = place.piece[:left]
        if not piece:
            break
        kept.append((piece, place))
        left -= len(piece)
    return kept, bool(found)


def _margin(place: Place) -> float:
    """Probability of the likeliest minus that of the second likeliest token; NaN where two are not told."""
    if len(place.top) < 2:
        return NAN
    return math.exp(place.top[0][1]) - math.exp(place.top[1][1])


def _end(answer: Answer, *, stopped: bool, closed: bool, wished: bool) -> str:
    if stopped or answer.stop:
        return "stop"
    # Whatever else cut an answer off, it is not whole: that is what "length" means to those who read it.
    if answer.finish not in ("stop", "eos", "end_turn"):
        return "length"
    told = closed or answer.stop is not None or answer.places is None
    return "stop" if wished and not told else "end"
