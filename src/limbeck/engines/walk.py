"""Scores of whole texts from lists of the likeliest next tokens, asked for where they are needed.

Knows nothing of servers or of labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# A row, and the text that is put behind it.
Spot = tuple[int, bytes]
# Spots → for each the likeliest next tokens with their log-probabilities, most likely first, never empty.
Ask = Callable[[Sequence[Spot]], Sequence[Sequence[tuple[bytes, float]]]]


def walk(rows: int, options: Sequence[bytes], ask: Ask) -> Floats:
    """Log-probability of every option after every row, shape [rows, options], in nats.

    From each spot the longest listed token that begins what is left of an option leads on; vocabularies are cut that
    way, as a rule. Options share the spots that they have in common. Where no listed token fits, the option gets a
    bound instead: at the best spot on its way, what led there and the least listed log-probability, which is the most
    that a token outside the list can have.
    When an option begins another one, it is credited only with what does not go on to be the other, so that the
    options are disjoint events.

    Args:
        rows: how many there are.
        options: UTF-8, none of them empty.
        ask: gives the lists; called once for each depth.
    """
    scores = np.full((rows, len(options)), -np.inf)
    logs: dict[Spot, float] = {(row, b""): 0.0 for row in range(rows)}
    bounds = dict.fromkeys(logs, -np.inf)
    passed: dict[Spot, list[int]] = {}
    waiting = {spot: list(range(len(options))) for spot in logs}
    while waiting:
        passed |= waiting
        following: defaultdict[Spot, list[int]] = defaultdict(list)
        for spot, top in zip(waiting, ask(list(waiting)), strict=True):
            row, begun = spot
            bounds[spot] = max(bounds[spot], logs[spot] + top[-1][1])
            for option in waiting[spot]:
                left = options[option][len(begun) :]
                token, log = max((one for one in top if _leads(left, one[0])), key=_size, default=(b"", None))
                if log is None:
                    scores[row, option] = bounds[spot]
                elif token == left:
                    scores[row, option] = logs[spot] + log
                else:
                    there = (row, begun + token)
                    logs[there], bounds[there] = logs[spot] + log, bounds[spot]
                    following[there].append(option)
        waiting = dict(following)
    _part(scores, options, passed)
    return scores


def _leads(left: bytes, token: bytes) -> bool:
    """Whether a token begins what is left and, unless it is all of it, ends between two characters."""
    if not token or not left.startswith(token):
        return False
    # A prompt is sent as text, so one that ends within a character cannot be asked about.
    rest = left[len(token) :]
    return not rest or rest[0] & 0xC0 != 0x80


def _size(listed: tuple[bytes, float]) -> tuple[int, float]:
    return len(listed[0]), listed[1]


def _part(scores: Floats, options: Sequence[bytes], passed: dict[Spot, list[int]]) -> None:
    """Take from each option what belongs to those that it begins, the longest first."""
    for option in sorted(range(len(options)), key=lambda one: -len(options[one])):
        for row in range(len(scores)):
            longer = passed.get((row, options[option]), [])
            if longer and np.isfinite(scores[row, option]):
                # Bounds can add up to more than there is; a millionth is left then.
                share = float(np.exp(scores[row, longer] - scores[row, option]).sum())
                scores[row, option] += np.log1p(-min(share, 1 - 1e-6))
