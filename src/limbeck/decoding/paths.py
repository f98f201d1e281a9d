"""Growing continuations: many paths of many prompts in one batch, each as long as it needs to be.

What is known of a path is read from the raw logits at temperature 1, whatever picks the tokens: the log-probability of
each token and the margin between the two likeliest. Finished paths leave the batch. Knows nothing of answers, of
prompts' words or of any concrete engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from limbeck.decoding.threads import share
from limbeck.engines.base import Engine, Floats, Integers, Path, Peaks, Remote, Tokenizer, Wish

# Where a small model runs on into a next question of its own making, or spells out the end of its turn.
RUN_ON = (
    *("\nQ:", "\nQuestion:", "\nB:", "\nUser:", "\nHuman:"),
    *("<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|eot_id|>", "</s>", "<end_of_turn>"),
)

Watch = Callable[[int], Sequence[int]]
"""A path has ended (its number) → the numbers of paths that nobody needs any more."""


# What it costs to leave rows out of a batch: as much as computing half of its rows once more.
MOVE = 2


class Pick(Protocol):
    """How the next tokens of growing paths are chosen."""

    def __call__(self, logits: Floats, numbers: Sequence[int]) -> Integers:
        """Raw logits of some paths, shape [paths, vocabulary], and the paths' numbers → a token each, shape [paths]."""
        ...

    def wish(self, number: int) -> tuple[Mapping[str, float], int]:
        """The same for a server, which draws by itself: sampling parameters, and the seed of one path."""
        ...


@dataclass(frozen=True)
class Limits:
    """What ends a path besides the model's own end.

    Attributes:
        tokens: at most so many; a path that hits this is cut short and says so.
        stops: texts that end it; they and all behind them are no part of it.
    """

    tokens: int
    stops: tuple[str, ...] = RUN_ON

    def stopped(self, said: bytes | bytearray, new: int | None = None) -> int | None:
        """The byte at which a stop text begins; looked for in the last `new` bytes only, where the rest is known."""
        start = 0 if new is None else max(0, len(said) - new - self._longest)
        found = self._pattern.search(said, start)
        return None if found is None else found.start()

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        return re.compile(b"|".join(re.escape(stop.encode()) for stop in self.stops) or rb"(?!)")

    @cached_property
    def _longest(self) -> int:
        return max((len(stop.encode()) for stop in self.stops), default=0)


def likeliest(logits: Floats, k: int) -> Peaks:
    """The k highest logits of each row with their log-probabilities; equal logits by their token's number.

    Of more tokens than the vocabulary has, the vocabulary is given. A row that holds no numbers gives NaN.
    """
    rows, size = logits.shape
    k = min(k, size)
    tokens = np.empty((rows, k), np.int64)
    logs = np.empty((rows, k), np.float32)

    def look(places: range) -> None:
        scratch = np.empty(size, np.float32)
        for i in places:  # row by row, so that what is looked at stays in the cache
            row = logits[i]
            found = _two(row) if k == 2 else _top(row, k) if k < size else np.arange(size)
            tokens[i] = found[np.lexsort((found, -row[found]))]
            peak = row[tokens[i, 0]]
            with np.errstate(invalid="ignore", over="ignore"):
                np.subtract(row, peak, out=scratch)
                np.exp(scratch, out=scratch)
                logs[i] = row[tokens[i]] - peak - np.log(scratch.sum(dtype=np.float32))

    share(look, rows, size)
    return Peaks(tokens, logs)


def _top(row: Floats, k: int) -> Integers:
    """The k highest in any order; a partition alone would take any of the tokens that are equal at the edge."""
    found = np.argpartition(-row, k - 1)[:k]
    edge = row[found].min()
    above = found[row[found] > edge]
    return found if np.isnan(edge) else np.concatenate([above, np.flatnonzero(row == edge)[: k - above.size]])


def _two(row: Floats) -> Integers:
    """The two highest, by two passes: several times as quick as a partition."""
    best = int(row.argmax())
    head, tail = row[:best], row[best + 1 :]
    others = [int(part.argmax()) + shift for part, shift in ((head, 0), (tail, best + 1)) if part.size]
    return np.array([best, max(others, key=lambda place: (row[place], -place))], np.int64)


def margin_of(logs: Floats) -> Floats:
    """p(likeliest) − p(second), shape [rows], of log-probabilities [rows, ≥ 1] in falling order."""
    shares = np.exp(logs[:, :2].astype(np.float64))
    gap: Floats = (shares[:, 0] - (shares[:, 1] if shares.shape[1] > 1 else 0.0)).astype(np.float32)
    return gap


def begin(paths: Sequence[Path], logits: Floats, pick: Pick) -> None:
    """Draw the first token of empty paths.

    Args:
        paths: they get one token each.
        logits: raw ones of the row that each path continues, shape [paths, vocabulary], or [1, vocabulary] where all
            continue the same.
        pick: chooses tokens.
    """
    found = likeliest(logits, 2)
    tokens = pick(np.broadcast_to(logits, (len(paths), logits.shape[1])), range(len(paths)))
    rows = np.arange(len(paths)) % len(logits)
    logs = logits[rows, tokens] - logits[rows, found.tokens[rows, 0]] + found.logs[rows, 0]
    margins = margin_of(found.logs)[rows]
    for path, token, log, margin in zip(paths, tokens.tolist(), logs.tolist(), margins.tolist(), strict=True):
        path.tokens.append(token)
        path.logs.append(log)
        path.margins.append(margin)


def write(
    engine: Engine | Remote,
    paths: Sequence[Path],
    parents: Sequence[int],
    *,
    limits: Limits,
    pick: Pick | None = None,
    watch: Watch | None = None,
) -> None:
    """Let paths grow until each of them has ended, here or on a server.

    Args:
        engine: holds the rows that the paths continue.
        paths: with a first token, its log-probability and margin; they are filled in. For a server they may be empty.
        parents: the engine's row of each path.
        limits: what ends a path.
        pick: chooses tokens; None = the likeliest.
        watch: is told of each path that has ended and says which others can be dropped; a server is not interrupted.

    Raises:
        EngineError: when the engine cannot score a row.
    """
    if not isinstance(engine, Remote):
        _grow(engine, paths, parents, limits=limits, pick=pick, watch=watch)
        return
    engine.hold([path.tokens for path in paths], parents)
    drawn = [({}, None) if pick is None else pick.wish(i) for i in range(len(paths))]
    lengths = [max(1, limits.tokens - len(path.tokens)) for path in paths]
    wishes = [Wish(n, limits.stops, *how) for n, how in zip(lengths, drawn, strict=True)]
    for path, more in zip(paths, engine.complete(wishes), strict=True):
        path.tokens += more.tokens
        path.logs += more.logs
        path.margins += more.margins
        path.end = more.end


def _grow(
    engine: Engine,
    paths: Sequence[Path],
    parents: Sequence[int],
    *,
    limits: Limits,
    pick: Pick | None = None,
    watch: Watch | None = None,
) -> None:
    """The same with an engine of this process: one token of every path at a time."""
    herd = _Herd(engine.tokenizer, paths, limits, watch)
    alive = held = herd.start()
    rows = [int(parents[i]) for i in held]
    idle = 0
    while alive:
        filler = paths[alive[0]].tokens[-1]
        logits = engine.extend([[filler if paths[i].end else paths[i].tokens[-1]] for i in held], rows)
        if len(alive) < len(held):
            logits = logits[[row for row, i in enumerate(held) if not paths[i].end]]
        found = likeliest(logits, 2)
        tokens = found.tokens[:, 0] if pick is None else pick(logits, alive)
        logs = found.logs[:, 0] if pick is None else _logs(logits, tokens, found)
        margins = margin_of(found.logs)
        steps = zip(alive, tokens.tolist(), logs.tolist(), margins.tolist(), strict=True)
        for i, token, log, margin in steps:
            herd.step(i, token, log=log, margin=margin)
        herd.settle()
        alive = [i for i in alive if not paths[i].end]
        # Leaving rows out means moving the caches of all others, so ended rows stay until they have cost as much.
        idle += len(held) - len(alive)
        rows = list(range(len(held)))
        if idle * MOVE >= len(held):
            rows, held, idle = [row for row, i in enumerate(held) if not paths[i].end], alive, 0


def _logs(logits: Floats, tokens: Integers, found: Peaks) -> Floats:
    """Log-probability of the chosen tokens; the likeliest one's is known already."""
    place = np.arange(len(tokens))
    chosen: Floats = logits[place, tokens] - logits[place, found.tokens[:, 0]] + found.logs[:, 0]
    return chosen


class _Herd:
    """Paths that grow together: what each has said, and when it has ended."""

    def __init__(self, tokenizer: Tokenizer, paths: Sequence[Path], limits: Limits, watch: Watch | None) -> None:
        self._tokenizer, self._paths, self._limits, self._watch = tokenizer, paths, limits, watch
        self._said = [bytearray() for _ in paths]
        self._news: list[int] = []

    def start(self) -> list[int]:
        """Look at the last tokens that the paths came with; who goes on."""
        for i, path in enumerate(self._paths):
            first = path.tokens.pop()
            self._said[i] += b"".join(self._tokenizer.spell(path.tokens))
            self.step(i, first, log=path.logs.pop(), margin=path.margins.pop())
        self.settle()
        return [i for i, path in enumerate(self._paths) if not path.end]

    def step(self, i: int, token: int, *, log: float, margin: float) -> None:
        """One more token of path i, or its end."""
        path = self._paths[i]
        if path.end:
            return
        if token in self._tokenizer.end:
            self._ended(i, "end")
            return
        if not np.isfinite(log):
            self._ended(i, "broken")
            return
        (piece,) = self._tokenizer.spell([token])
        said = self._said[i]
        said += piece
        path.tokens.append(token)
        path.logs.append(log)
        path.margins.append(margin)
        at = self._limits.stopped(said, len(piece))
        if at is not None:
            self._cut(path, at)
            self._ended(i, "stop")
        elif len(path.tokens) >= self._limits.tokens:
            self._ended(i, "length")

    def _cut(self, path: Path, size: int) -> None:
        """Keep the tokens that lie, at least in part, before `size` bytes."""
        kept, read = 0, 0
        for piece in self._tokenizer.spell(path.tokens):
            if read >= size:
                break
            read += len(piece)
            kept += 1
        for values in (path.tokens, path.logs, path.margins):
            del values[kept:]

    def settle(self) -> None:
        """Tell who has ended in this step, once all have taken it, and drop those whom nobody needs any more."""
        news, self._news = self._news, []
        if self._watch is None:
            return
        for i in news:
            for other in self._watch(i):
                if not self._paths[other].end:
                    self._paths[other].end = "dropped"

    def _ended(self, i: int, why: str) -> None:
        self._paths[i].end = why
        self._news.append(i)
