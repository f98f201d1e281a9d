"""CoT-decoding: reasoning paths found by branching on the first token, with no prompt that asks for reasoning.

Wang & Zhou, Chain-of-Thought Reasoning Without Prompting, 2024, arXiv 2402.10200. The k likeliest first tokens each
begin a branch that goes on greedily; where a path holds reasoning, the model is surer of its answer (Δ), and answers
are weighed by it. Knows nothing of labels' names or of any concrete engine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from limbeck.decoding.base import Draw
from limbeck.decoding.paths import margin_of
from limbeck.decoding.trees import Grove, Policy, Sprout, Tree, draw, heads
from limbeck.engines.base import Engine, Path, Peaks, Remote, Tokenizer
from limbeck.errors import EngineError

# So many of the likeliest tokens are looked at for each branch wanted, since some of them begin nothing.
LOOK = 4
# Where a late branching point is looked for: among so many first tokens of the greedy path.
EARLY = 32


@dataclass(frozen=True, slots=True)
class Cot:
    """CoT-decoding.

    Attributes:
        policy: how branches end, vote and suffice.
        k: branches; the greedy path is the first.
        at: where the branches part: at the `first` token, as the paper has it, or where the greedy path's margin is
            lowest among its first 32 tokens (`uncertain`).
    """

    policy: Policy
    k: int = 10
    at: Literal["first", "uncertain"] = "first"

    @property
    def identity(self) -> str:
        """The name and all parameters."""
        return f"cot:{self.k}:{self.at}:{self.policy.identity}"

    @property
    def reach(self) -> int:
        """Tokens that a branch may add."""
        return self.policy.reach

    @property
    def width(self) -> int:
        """The branches of one prompt."""
        return self.k

    def __call__(self, engine: Engine | Remote, bodies: Sequence[Sequence[int]]) -> list[Draw]:
        """Grow a tree for each prompt and let its branches vote; see `Decoder.__call__`.

        Raises:
            EngineError: when k is larger than the vocabulary, or the engine cannot answer.
        """
        found = heads(engine, bodies, [0] * len(bodies), LOOK * self.k)
        if found.tokens.shape[1] < self.k and not isinstance(engine, Remote):
            raise EngineError(
                f"k = {self.k} branches are more than the {found.tokens.shape[1]} tokens of the vocabulary",
                hint="Take a smaller k.",
            )
        trees = [Tree(len(body)) for body in bodies]
        grove = Grove(engine, trees, self.policy, again=self._comes_back())
        sprouts = [openings(found, i, engine.tokenizer, self.k) for i in range(len(bodies))]
        if self.at == "uncertain":
            grove.stage([sprout for own in sprouts for sprout in own[:1]])
            sprouts = self._late(grove, [own[0].path if own else None for own in sprouts])
        grove.grow(sprouts)
        return [draw(tree, self.policy) for tree in trees]

    def _comes_back(self) -> bool:
        """Whether the prompts are continued more than once."""
        return bool(self.at == "uncertain" or self.policy.kind.cue or 0 < self.policy.window < self.k)

    def _late(self, grove: Grove, greedy: Sequence[Path | None]) -> list[list[Sprout]]:
        """Other ways to go on from where each greedy path was least sure; a path of one token has none."""
        places = {
            prompt: 1 + int(np.argmin(path.margins[1:EARLY]))
            for prompt, path in enumerate(greedy)
            if path is not None and len(path.tokens) > 1
        }
        sprouts: list[list[Sprout]] = [[] for _ in greedy]
        if not places:
            return sprouts
        kept = {prompt: path for prompt, path in enumerate(greedy) if path is not None}
        found = grove.fork([kept[prompt].tokens[:at] for prompt, at in places.items()], list(places), LOOK * self.k)
        for row, (prompt, at) in enumerate(places.items()):
            path = kept[prompt]
            begun = Path(path.tokens[:at], path.logs[:at], path.margins[:at])
            others = openings(found, row, grove.engine.tokenizer, self.k, begun=begun)
            taken = path.tokens[at]
            sprouts[prompt] = [replace(one, prompt=prompt) for one in others if one.path.tokens[-1] != taken][
                : self.k - 1
            ]
        return sprouts


def openings(found: Peaks, row: int, tokenizer: Tokenizer, k: int, *, begun: Path | None = None) -> list[Sprout]:
    """The k first tokens that begin branches, likeliest first.

    The likeliest is the greedy path whatever it is; after it, ends, blanks and repetitions of a word ("five", " Five")
    are passed over and the next likeliest taken. A branch's first margin is that of the row it was taken from.
    """
    begun = begun or Path([], [], [])
    margin = float(margin_of(found.logs[row : row + 1])[0])
    sprouts: list[Sprout] = []
    seen: set[bytes] = set()
    for rank, (token, log) in enumerate(zip(found.tokens[row].tolist(), found.logs[row].tolist(), strict=True)):
        word = tokenizer.spell([token])[0].strip().lower()
        fresh = bool(word) and word not in seen and token not in tokenizer.end and math.isfinite(log)
        if len(sprouts) < k and (fresh or rank == 0):
            path = Path([*begun.tokens, token], [*begun.logs, log], [*begun.margins, margin])
            sprouts.append(Sprout(row, row, path))
        seen.add(word)
    return sprouts
