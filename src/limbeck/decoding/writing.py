"""Writing: one sampled text for each prompt, up to the model's own end or a text that stops it. Nothing is voted on.

Every text has its own dice, named by a seed, its prompt and a number that the caller gives, so it does not depend on
what is written beside it. Knows nothing of answers, labels or of any concrete engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from limbeck.decoding.guidance import Guided
from limbeck.decoding.paths import Limits, Pick, begin, write
from limbeck.decoding.sampling import Dice, Sampler, Sampling
from limbeck.engines.base import Engine, Floats, Integers, Path, Remote, Tokenizer
from limbeck.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Written:
    """One text.

    Attributes:
        text: what was written, without the text that stopped it.
        end: why it ended, see `Path.end`.
        prefilled: tokens read for this prompt alone, the shared prefix not counted.
        decoded: tokens computed for it while it was written.
    """

    text: str
    end: str
    prefilled: int
    decoded: int


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes texts.

    Attributes:
        sampling: how tokens are drawn.
        limits: what ends a text besides the model's own end.
        seed: of the draws.
        opening: how the first tokens are drawn, where that differs: a hot opening and a cool rest give texts that
            begin in many ways and still keep to the point. A server draws all tokens by `sampling`.
        opened: how many tokens `opening` draws.
        guidance: how far a text is led away from what its contrasting prompt would say, see `Guided`; 0 = not at all.
    """

    sampling: Sampling
    limits: Limits = field(default_factory=lambda: Limits(80, ("\n",)))
    seed: int = 0
    opening: Sampling | None = None
    opened: int = 0
    guidance: float = 0.0

    @property
    def identity(self) -> str:
        """All of it, for keys."""
        opening = f"{self.opened}:{self.opening.identity}:" if self.opening else ""
        opening += f"guided:{self.guidance:g}:" if self.guidance else ""
        return f"writer:{opening}{self.sampling.identity}:{self.limits.tokens}:{self.limits.stops!r}:{self.seed}"

    def __call__(
        self,
        engine: Engine | Remote,
        bodies: Sequence[Sequence[int]],
        numbers: Sequence[int],
        *,
        contrast: Sequence[Sequence[int]] = (),
    ) -> list[Written]:
        """Write a text for each prompt.

        Args:
            engine: holds one row, the prefix that all prompts share.
            bodies: what follows the prefix in each prompt, none of them empty.
            numbers: of each text, to tell its dice from those of the same prompt's other texts.
            contrast: what each text is led away from, a prompt for each; needed where there is guidance.

        Raises:
            ConfigError: when a server cannot sample in this way, or cannot guide.
            EngineError: when the engine cannot answer.
        """
        tokenizer = engine.tokenizer
        dice = [
            Dice(self.seed, b"".join(tokenizer.spell(body)), number)
            for body, number in zip(bodies, numbers, strict=True)
        ]
        paths = [Path([], [], []) for _ in bodies]
        said = [path.tokens for path in paths]
        pick: Pick = Sampler(self.sampling, dice, said)
        if self.opening is not None:
            # Dice of its own: the rest's begin anew where the opening ends, and must not throw the same numbers again.
            hot = [Dice(self.seed, b"opening\0" + one.prompt, one.path) for one in dice]
            pick = _Opened(Sampler(self.opening, hot, said), pick, said, self.opened)
        parents = range(len(bodies))
        if isinstance(engine, Remote):  # the server draws the first token as well
            if self.guidance:
                raise ConfigError("a server cannot guide: its scores are not all known", hint="Set `guidance: 0`.")
            engine.hold(bodies, [0] * len(bodies))
        elif self.guidance:
            engine = Guided(engine, self.guidance)
            begin(paths, engine.start(bodies, contrast), pick)
        else:
            begin(paths, engine.extend(bodies, [0] * len(bodies)), pick)
        # The contrasting row is read and continued as well.
        read, pairs = (list(map(len, contrast)), 2) if self.guidance else ([0] * len(bodies), 1)
        write(engine, paths, parents, limits=self.limits, pick=pick)
        return [
            Written(_text(path, tokenizer, self.limits), path.end, len(body) + extra, len(path.tokens) * pairs)
            for path, body, extra in zip(paths, bodies, read, strict=True)
        ]


def _text(path: Path, tokenizer: Tokenizer, limits: Limits) -> str:
    """What a path says up to the first stop; bytes that are no UTF-8 become U+FFFD."""
    whole = b"".join(tokenizer.spell(path.tokens))
    return whole[: limits.stopped(whole)].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class _Opened:
    """The first tokens of each path are picked by one sampler, the others by another."""

    first: Pick
    rest: Pick
    said: Sequence[Sequence[int]]
    opened: int

    def __call__(self, logits: Floats, numbers: Sequence[int]) -> Integers:
        tokens = np.empty(len(numbers), np.int64)
        opening = np.array([len(self.said[number]) < self.opened for number in numbers], np.bool_)
        for mask, sampler in ((opening, self.first), (~opening, self.rest)):
            rows = np.flatnonzero(mask).tolist()
            if rows:
                tokens[rows] = sampler(logits[rows], [numbers[row] for row in rows])
        return tokens

    def wish(self, number: int) -> tuple[Mapping[str, float], int]:
        return self.rest.wish(number)
