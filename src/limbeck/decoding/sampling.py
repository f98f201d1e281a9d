"""Drawing tokens: what a distribution is turned into before a token is drawn from it, and whose dice are thrown.

Every path has its own dice, named by a seed, its prompt and its number, and throws once for each token. So what a path
says does not depend on how many others grow beside it or in which order. Knows nothing of answers, of grammars or of
any concrete engine.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from limbeck.decoding.threads import share
from limbeck.decoding.truncation import (
    Mask,
    entropy_temperature,
    min_p,
    top_k,
    top_n_sigma,
    top_p,
    typical_p,
    weights,
)
from limbeck.engines.base import Floats, Integers
from limbeck.errors import ConfigError

# Below this temperature the likeliest token is all there is.
COLD = 1e-4
# Weights are summed in blocks of so many, so that a whole vocabulary is not added up one by one.
BLOCK = 256


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. What is None is off; without any, tokens are drawn from the model's own distribution.

    In this order: the penalty and the ban change the raw logits; the temperature divides them; the truncations follow,
    in the order of the attributes, each on what the ones before it left, at that temperature.

    Attributes:
        temperature: 0 = always the likeliest token.
        entropy_theta: θ of the entropy-dependent temperature, from the entropy at temperature 1 (EDT); 0 or more.
        top_n_sigma: standard deviations below the highest logit that are kept.
        top_k: tokens that are kept.
        top_p: mass of the nucleus, above 0 to 1.
        min_p: least probability, as a share of the likeliest token's, above 0 to 1.
        typical_p: mass of the locally typical set, above 0 to 1.
        repetition_penalty: tokens that the path has generated (the prompt's do not count) have a positive logit divided
            and a negative one multiplied by this (CTRL, Keskar et al. 2019, arXiv 1909.05858); 1 is off.
        no_repeat_ngram: no run of so many generated tokens comes twice, as long as there is another token.

    Raises:
        ConfigError: when a value makes no sense.
    """

    temperature: float = 1.0
    entropy_theta: float | None = None
    top_n_sigma: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repetition_penalty: float = 1.0
    no_repeat_ngram: int | None = None

    def __post_init__(self) -> None:
        self._check("temperature", self.temperature >= 0, "0 or more; 0 takes the likeliest token")
        self._check("entropy_theta", (self.entropy_theta or 0) >= 0, "0 or more")
        self._check("top_n_sigma", self.top_n_sigma is None or self.top_n_sigma > 0, "more than 0")
        for name in ("top_p", "min_p", "typical_p"):
            value = getattr(self, name)
            self._check(name, value is None or 0 < value <= 1, "above 0 and at most 1")
        for name in ("top_k", "no_repeat_ngram"):
            value = getattr(self, name)
            self._check(name, value is None or (value >= 1 and value == int(value)), "a whole number from 1")
        self._check("repetition_penalty", self.repetition_penalty >= 1, "1 or more; 1 is no penalty")

    def _check(self, name: str, fine: bool, wanted: str) -> None:
        value = getattr(self, name)
        if not fine or (value is not None and not math.isfinite(value)):
            raise ConfigError(f"sampling: {name} is {value}", hint=f"It must be {wanted}.")

    @property
    def identity(self) -> str:
        """The parameters that are on."""
        return ",".join(f"{name}={value:g}" for name, value in self._on().items())

    @property
    def truncations(self) -> list[Callable[[Floats], Mask]]:
        """Those that are on, in their order."""
        found: list[Callable[[Floats], Mask]] = []
        if self.top_n_sigma is not None:
            found.append(partial(top_n_sigma, n=self.top_n_sigma))
        if self.top_k is not None:
            found.append(partial(top_k, k=self.top_k))
        if self.top_p is not None:
            found.append(partial(top_p, p=self.top_p))
        if self.min_p is not None:
            found.append(partial(min_p, p=self.min_p))
        if self.typical_p is not None:
            found.append(partial(typical_p, p=self.typical_p))
        return found

    def for_server(self) -> dict[str, float]:
        """What a server is asked for; nothing where the likeliest token is taken.

        Raises:
            ConfigError: when a server cannot be asked for it.
        """
        served = ("temperature", "top_p", "top_k", "min_p")
        wanted = self._on()
        others = [name for name in wanted if name not in served]
        if others:
            raise ConfigError(
                f"sampling: a server cannot be asked for {', '.join(others)}",
                hint=f"With a server, set {', '.join(served)} only.",
            )
        return wanted if self.temperature >= COLD else {}

    def _on(self) -> dict[str, float]:
        """What is not off, by its name."""
        on = {name: value for name, value in asdict(self).items() if value is not None}
        if self.repetition_penalty == 1:
            del on["repetition_penalty"]
        return on


@dataclass(frozen=True, slots=True)
class Dice:
    """The random numbers of one path: always the same ones for the same three names.

    Attributes:
        seed: of the whole run.
        prompt: what tells the prompt from others, such as the bytes of its text.
        path: the path's number among its prompt's.
    """

    seed: int
    prompt: bytes
    path: int

    def generator(self, thrown: int = 0) -> np.random.Generator:
        """The numbers as a counter-based stream, those that were thrown already left out."""
        dice = np.random.Generator(np.random.Philox(key=int.from_bytes(self._name(), "little")))
        dice.random(thrown)
        return dice

    @property
    def number(self) -> int:
        """The same as a seed for a server, 31 bits."""
        return int.from_bytes(self._name()[:4], "little") >> 1

    def _name(self) -> bytes:
        return hashlib.blake2b(b"%d:%d:%b" % (self.seed, self.path, self.prompt), digest_size=16).digest()


class Sampler:
    """Draws the next tokens of some paths; see `Pick`.

    Args:
        sampling: how.
        dice: of each path, by its number.
        said: the tokens of each path so far. They are looked at, never copied: as paths grow, these must grow.
    """

    def __init__(self, sampling: Sampling, dice: Sequence[Dice], said: Sequence[Sequence[int]]) -> None:
        self._sampling, self._said, self._dice = sampling, said, dice
        self._throws = [one.generator(len(tokens)) for one, tokens in zip(dice, said, strict=True)]

    def __call__(self, logits: Floats, numbers: Sequence[int]) -> Integers:
        """A token for each row; see `Pick.__call__`. A row that holds no numbers gives any token."""
        drawn = np.empty(len(numbers), np.int64)

        def throw(places: range) -> None:
            for place in places:  # one row at a time fits the cache
                number = numbers[place]
                tokens, left = narrow(logits[place], self._sampling, self._said[number])
                drawn[place] = tokens[draw(left, self._throws[number].random())]

        share(throw, len(numbers), logits.shape[1])
        return drawn

    def wish(self, number: int) -> tuple[Mapping[str, float], int]:
        """The same for a server; see `Pick.wish`.

        Raises:
            ConfigError: when a server cannot be asked for it.
        """
        return self._sampling.for_server(), self._dice[number].number


def narrow(row: Floats, sampling: Sampling, said: Sequence[int]) -> tuple[Integers, Floats]:
    """What is drawn from: the tokens that are left, by their numbers, and their logits at the temperature.

    Args:
        row: raw logits, shape [vocabulary].
        sampling: how.
        said: tokens that the path has generated.
    """
    bent = _bend(row, sampling, said)
    best = int(bent.argmax())
    peak = bent[best]
    heat = sampling.temperature
    if sampling.entropy_theta is not None and heat >= COLD and np.isfinite(peak):
        heat = entropy_temperature(row, heat, sampling.entropy_theta)
    if heat < COLD or not np.isfinite(peak):
        return np.array([best]), np.zeros(1, np.float32)
    with np.errstate(over="ignore"):
        left: Floats = (bent - peak) / np.float32(heat)
    tokens: Integers | None = None
    for keep in sampling.truncations:
        places = np.flatnonzero(keep(left))
        if places.size < left.size:
            left, tokens = left[places], places if tokens is None else tokens[places]
    return np.arange(left.size) if tokens is None else tokens, left


def draw(logits: Floats, throw: float) -> int:
    """The place at which the summed probabilities pass `throw`, a number from 0 to below 1."""
    shares = weights(logits)
    start, target = 0, -1.0
    if shares.size > 16 * BLOCK:
        blocks = np.add.reduceat(shares, np.arange(0, shares.size, BLOCK)).astype(np.float64)
        block, target = _pass(blocks, throw * float(blocks.sum()))
        start = block * BLOCK
        shares = shares[start : start + BLOCK]
    place, _ = _pass(shares, throw * float(shares.sum(dtype=np.float64)) if target < 0 else target)
    return start + place


def _pass(shares: npt.NDArray[np.floating], target: float) -> tuple[int, float]:
    """Where the running sum exceeds a target, and what of the target is left there; never at a weight of 0."""
    sums = shares.cumsum(dtype=np.float64)
    place = int(np.searchsorted(sums, min(target, np.nextafter(sums[-1], 0.0)), side="right"))
    return place, max(0.0, target - float(sums[place - 1])) if place else target


def _bend(row: Floats, sampling: Sampling, said: Sequence[int]) -> Floats:
    """Raw logits after the penalty and the ban, which look at what the path has said; the row itself is untouched."""
    if not said or (sampling.repetition_penalty == 1 and sampling.no_repeat_ngram is None):
        return row
    bent = row.copy()
    if sampling.repetition_penalty != 1:
        seen = np.unique(np.asarray(said))
        scale = np.float32(sampling.repetition_penalty)
        bent[seen] = np.where(bent[seen] > 0, bent[seen] / scale, bent[seen] * scale)
    if sampling.no_repeat_ngram is not None:
        banned = _closers(np.asarray(said), sampling.no_repeat_ngram)
        spared = bent[banned]
        bent[banned] = -np.inf
        if not np.isfinite(bent.max()):  # a path that may say nothing else repeats itself
            bent[banned] = spared
    return bent


def _closers(said: Integers, n: int) -> Integers:
    """Tokens that would end a run of n tokens that was said before."""
    if said.size < n:
        return said[:0]
    runs = np.lib.stride_tricks.sliding_window_view(said, n)
    last = said[said.size - n + 1 :]
    closers: Integers = runs[(runs[:, :-1] == last).all(axis=1), -1]
    return closers
