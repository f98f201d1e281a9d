"""Label scoring: the exact log-probability of every option as the answer, with nothing generated or parsed.

Options of several tokens are scored through a trie: one call of the engine for each depth, whatever the number of
options, and a token that several options share is computed once. Knows nothing of labels' names or of calibration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from limbeck.decoding.base import Draw
from limbeck.engines.base import Engine, Remote, Seeing
from limbeck.engines.base import Floats as Logits

Floats = npt.NDArray[np.float64]
Path = tuple[int, ...]

END = -1


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the trie: the tokens read so far, and where they lead.

    Attributes:
        path: tokens from the end of the prompt.
        parent: index of the node above, in the list one depth up.
        steps: (next token or END, the options that take it).
    """

    path: Path
    parent: int
    steps: tuple[tuple[int, tuple[int, ...]], ...]


class Choice:
    """Scores a fixed list of options.

    When one option's tokens begin another's, "good" would also be credited with every "good enough"; then each option
    is scored together with the end of the answer, so that the options are disjoint events.

    Args:
        options: tokens of each option, K lists, none of them empty, all different.
        end: the tokens that may end an answer; their probabilities are added up.
        states: also give the hidden state from which the first token of the answer was scored, where the engine shows
            it. The scores are the same.

    Raises:
        ValueError: for an empty or doubled option, or when ends are needed and none is given.
    """

    def __init__(
        self, options: Sequence[Sequence[int]], *, end: frozenset[int] = frozenset(), states: bool = False
    ) -> None:
        paths = [tuple(option) for option in options]
        if not all(paths) or len(set(paths)) != len(paths):
            raise ValueError("options must be different and none of them empty")
        closed = any(a != b and b[: len(a)] == a for a in paths for b in paths)
        if closed and not end:
            raise ValueError("an option begins another one, and no token ends an answer")
        self._size, self._paths, self._states = len(paths), paths, states
        self._end = np.array(sorted(end), np.int64)
        self._depths = _trie([(*path, END) for path in paths] if closed else paths)
        self._hash = hashlib.sha256(repr((paths, sorted(end) if closed else [])).encode()).hexdigest()[:16]

    @property
    def identity(self) -> str:
        """`choice:` and a hash of the options' tokens."""
        return f"choice:{self._hash}"

    @property
    def reach(self) -> int:
        """Tokens on the longest way through the trie."""
        return len(self._depths) - 1

    @property
    def width(self) -> int:
        """One row for each prompt."""
        return 1

    def __call__(self, engine: Engine | Remote, bodies: Sequence[Sequence[int]]) -> list[Draw]:
        """Log-probability of every option after each prompt; see `Decoder.__call__`."""
        count = len(bodies)
        if isinstance(engine, Remote):
            engine.hold(bodies, [0] * count)
            return [_draw(row, len(body)) for row, body in zip(engine.score(self._paths), bodies, strict=True)]
        scores = np.zeros((count, self._size))
        self._credit(scores, engine.extend(bodies, [0] * count), self._depths[0])
        states = engine.hidden() if self._states and isinstance(engine, Seeing) else [None] * count
        for above, nodes in zip(self._depths, self._depths[1:], strict=False):
            rows = [[node.path[-1]] for _ in bodies for node in nodes]
            parents = [b * len(above) + node.parent for b in range(count) for node in nodes]
            self._credit(scores, engine.extend(rows, parents), nodes)
        inside = sum(len(nodes) for nodes in self._depths[1:])
        return [
            replace(_draw(row, len(body) + inside), state=state)
            for row, body, state in zip(scores, bodies, states, strict=True)
        ]

    def _credit(self, scores: Floats, logits: Logits, nodes: Sequence[Node]) -> None:
        """Add each step's log-probability to the options that take it."""
        peak = logits.max(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):  # infinite scores become NaN, which is a reason to have none
            total = peak[:, 0] + np.log(np.exp(logits - peak).sum(axis=1, dtype=np.float64))
        for place, node in enumerate(nodes):
            mine, norm = logits[place :: len(nodes)], total[place :: len(nodes)]
            for token, options in node.steps:
                raw = (
                    np.logaddexp.reduce(mine[:, self._end].astype(np.float64), axis=1)
                    if token == END
                    else mine[:, token]
                )
                scores[:, list(options)] += (raw - norm)[:, None]


def _draw(row: Floats, tokens: int) -> Draw:
    if np.isnan(row).any() or not np.isfinite(row).any():
        return Draw(None, tokens, reason="the engine gave scores that are not numbers")
    return Draw(tuple(row.tolist()), tokens)


def _trie(paths: Sequence[Path]) -> list[list[Node]]:
    """Inner nodes by depth; the root stands alone at depth 0."""
    depths: list[list[Node]] = []
    homes: dict[Path, int] = {}
    for depth in range(max(map(len, paths))):
        places = sorted({path[:depth] for path in paths if len(path) > depth})
        nodes = []
        for place in places:
            steps: dict[int, tuple[int, ...]] = {}
            for option, path in enumerate(paths):
                if len(path) > depth and path[:depth] == place:
                    steps[path[depth]] = (*steps.get(path[depth], ()), option)
            nodes.append(Node(place, homes.get(place[:-1], 0), tuple(steps.items())))
        depths.append(nodes)
        homes = {place: i for i, place in enumerate(places)}
    return depths
