"""Self-consistency: many reasoning paths are sampled from one prompt, and the answer that most of them reach counts.

Wang et al., Self-Consistency Improves Chain of Thought Reasoning in Language Models, 2023, arXiv 2203.11171. One path
alone is plain sampling. Knows nothing of labels' names or of any concrete engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from limbeck.decoding.base import Draw
from limbeck.decoding.paths import Pick, begin
from limbeck.decoding.sampling import COLD, Dice, Sampler, Sampling
from limbeck.decoding.trees import Grove, Policy, Sprout, Tree, draw
from limbeck.engines.base import Engine, Path, Remote, Tokenizer
from limbeck.errors import ConfigError

# The paper's for PaLM and LaMDA.
PAPER = Sampling(temperature=0.7, top_k=40)


class Form(Protocol):
    """What answers must look like, whatever they say."""

    @property
    def identity(self) -> str:
        """The form and its parameters, for keys."""
        ...

    def guard(self, tokenizer: Tokenizer, inner: Pick, said: Sequence[Sequence[int]]) -> Pick:
        """Keep some paths to the form.

        Args:
            tokenizer: of the model whose tokens are picked.
            inner: picks among the tokens that the form allows.
            said: the tokens of each path so far; they grow as the paths do.
        """
        ...


@dataclass(frozen=True, slots=True)
class SelfConsistency:
    """Self-consistency.

    Attributes:
        policy: how paths end, vote and suffice; the paper's vote is `aggregate="majority"`.
        paths: sampled for each prompt, unless the policy stops earlier.
        sampling: how tokens are drawn, the first one too.
        seed: of the draws. A path's dice hang on it, on the prompt's text behind the shared prefix and on the path's
            number, so the same text gets the same answer wherever it stands (given equal logits).
        form: what every path must look like, or None.

    Raises:
        ConfigError: when there are no paths, or several that would all be the same.
    """

    policy: Policy
    paths: int = 20
    sampling: Sampling = PAPER
    seed: int = 0
    form: Form | None = None

    def __post_init__(self) -> None:
        if self.paths < 1:
            raise ConfigError(f"self-consistency: {self.paths} paths", hint="Take one or more.")
        if self.paths > 1 and self.sampling.temperature < COLD:
            raise ConfigError(
                f"self-consistency: at temperature {self.sampling.temperature:g} all {self.paths} paths are the same",
                hint="Take a temperature above 0, or one path.",
            )

    @property
    def identity(self) -> str:
        """The name and all parameters."""
        form = "" if self.form is None else f"{self.form.identity}:"
        drawn = f"{self.paths}:{self.sampling.identity}:{self.seed}"
        return f"self-consistency:{drawn}:{form}{self.policy.identity}"

    @property
    def reach(self) -> int:
        """Tokens that a path may add."""
        return self.policy.reach

    @property
    def width(self) -> int:
        """The paths of one prompt."""
        return self.paths

    def __call__(self, engine: Engine | Remote, bodies: Sequence[Sequence[int]]) -> list[Draw]:
        """Sample paths from each prompt and let them vote; see `Decoder.__call__`.

        Raises:
            ConfigError: when a server cannot sample in this way.
            EngineError: when the engine cannot answer.
        """
        tokenizer = engine.tokenizer
        names = [b"".join(tokenizer.spell(body)) for body in bodies]

        def pick(sprouts: Sequence[Sprout]) -> Pick:
            dice = [Dice(self.seed, names[sprout.prompt], sprout.rank) for sprout in sprouts]
            said = [sprout.path.tokens for sprout in sprouts]
            sampler = Sampler(self.sampling, dice, said)
            return sampler if self.form is None else self.form.guard(tokenizer, sampler, said)

        sprouts = [
            [Sprout(prompt, prompt, Path([], [], []), rank) for rank in range(self.paths)]
            for prompt in range(len(bodies))
        ]
        if isinstance(engine, Remote):  # the server draws the first token as well
            engine.hold(bodies, [0] * len(bodies))
        else:
            logits = engine.extend(bodies, [0] * len(bodies))
            for row, own in enumerate(sprouts):
                begin([sprout.path for sprout in own], logits[row : row + 1], pick(own))
        trees = [Tree(len(body)) for body in bodies]
        again = bool(self.policy.kind.cue or 0 < self.policy.window < self.paths)
        Grove(engine, trees, self.policy, again=again).grow(sprouts, pick=pick)
        return [draw(tree, self.policy) for tree in trees]
