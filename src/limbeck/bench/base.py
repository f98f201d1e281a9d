"""The job that every library does, what it brings back, and what a peer is.

CoT-decoding (Wang & Zhou 2024, arXiv 2402.10200): after each prompt the k likeliest first tokens, each continued
greedily up to a limit. All get the same tokens.
Knows nothing of any library, of files or of who does the job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from limbeck.engines.base import Tokenizer

OWN = "limbeck"
PEERS: Mapping[str, str] = {
    "transformers": "limbeck.bench.peer_transformers:variants",
    "llama-cpp": "limbeck.bench.peer_llama:variants",
    "ctranslate2": "limbeck.bench.peer_ctranslate2:variants",
    "optillm": "limbeck.bench.peer_optillm:variants",
}
"""Every peer's name → where it is, loaded by string: what it needs may not be installed."""
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "transformers": ("transformers", "torch"),
    "llama-cpp": ("llama-cpp-python",),
    "ctranslate2": ("ctranslate2",),
    "optillm": ("optillm", "transformers", "torch"),
}


@dataclass(frozen=True, slots=True)
class Job:
    """How much is done.

    Attributes:
        k: branches of a prompt.
        tokens: of one branch at most.
        rounds: turns of each side; the best one counts.
        width: prompts that limbeck reads at a time; 0 = as many as were measured to be fastest.
        trial: prompts on which a peer's variants are tried.
        slow: peers that read a prompt again for every branch; a ratio is one of tokens per second, so they get few.
        few: prompts of such a peer.
        floor: whether the machine's own limits are measured too.
        prompt: how questions are put: as the paper's "Q: …", a new line and "A:" (`qa`), or by the model's chat
            template (`chat`).
    """

    k: int = 10
    tokens: int = 64
    rounds: int = 2
    width: int = 0
    trial: int = 10
    slow: tuple[str, ...] = ("optillm",)
    few: int = 4
    floor: bool = True
    prompt: Literal["qa", "chat"] = "qa"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as text, in a chat without what the template puts around it, and the tokens that all libraries read."""

    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one library brings back.

    Attributes:
        written: tokens generated, without those that ended a path.
        greedy: the text of each prompt's greedy path.
        read: prompt tokens that were computed.
        reading: seconds of reading the prompts, or None where the library does not tell it apart.
    """

    written: int
    greedy: tuple[str, ...]
    read: int
    reading: float | None = None


def outcome(
    paths: Sequence[Sequence[Sequence[int]]], tokenizer: Tokenizer, *, read: int, reading: float | None = None
) -> Outcome:
    """The outcome of paths given as tokens, for each prompt its branches, the greedy one first."""
    written = sum(len(path) for own in paths for path in own)
    return Outcome(written, tuple(tokenizer.decode(own[0]) for own in paths), read, reading)


class Run(Protocol):
    """A library with the model loaded, ready to do the job."""

    def __call__(self, prompts: Sequence[Prompt], k: int, limit: int) -> Outcome:
        """Grow k branches of so many tokens at most for each prompt."""
        ...


Opener = Callable[[], AbstractContextManager[Run]]
"""Loads the model in one variant; it is let go of at the end of the context."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a library may want to know before the job.

    Attributes:
        k, limit: branches of a prompt, and tokens of one branch at most.
        longest: tokens of the longest prompt.
        threads: threads to use.
    """

    k: int
    limit: int
    longest: int
    threads: int


class Peer(Protocol):
    """One library: all the ways in which it may do the job, by name."""

    def __call__(self, weights: Any, shape: Shape) -> Mapping[str, Opener]:
        """Its variants; the fastest of them plays.

        Args:
            weights: `weights.Weights`, the model in every library's own form.
            shape: of the job.
        """
        ...
