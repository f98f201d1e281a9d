"""Seeded splits of a pool, and items in turn.

An item's side of a split depends on the seed and the ids, never on the order of the rows. Knows nothing of files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from limbeck.errors import DataError
from limbeck.pool.pool import Pool
from limbeck.records import Item


def split(pool: Pool, *, share: float | None = None, items: int | None = None, seed: int = 0) -> tuple[Pool, Pool]:
    """Cut a pool in two.

    Args:
        pool: what to cut.
        share: part of the pool's items that goes to the test side, 0 to 1 exclusive; or
        items: how many items go there.
        seed: of the draw: the items whose hash of seed and id is smallest are taken.

    Returns:
        The rest and the test side, each in the pool's order. Where any item has a gold label, only such items are
        drawn for the test.

    Raises:
        DataError: when one side would be empty or there are too few items to draw from.
    """
    if (share is None) == (items is None):
        raise DataError("a split needs either a share or a number of items")
    if share is not None and not 0 < share < 1:
        raise DataError(f"the share of a split must lie between 0 and 1, not {share}")
    wanted = items if items is not None else max(1, round((share or 0.0) * len(pool)))
    known = np.array([gold is not None for gold in pool.gold()], dtype=np.bool_)
    candidates = np.flatnonzero(known) if known.any() else np.arange(len(pool))
    if not 1 <= wanted <= len(candidates) or wanted == len(pool):
        of = " with a gold label" if known.any() else ""
        raise DataError(
            f"cannot draw {wanted} test items from {len(candidates)}{of}, out of a pool of {len(pool)}",
            hint="At least one item must stay in the pool, and test items need gold labels. Ask for fewer.",
        )
    base = hashlib.blake2b(f"{seed}\n".encode(), digest_size=8, person=b"limbeck-split")
    ids = pool.ids
    ranks = np.array([_rank(base, ids[i]) for i in candidates], dtype=np.uint64)
    test = np.zeros(len(pool), dtype=np.bool_)
    test[candidates[np.argsort(ranks, kind="stable")[:wanted]]] = True
    return pool.subset(np.flatnonzero(~test)), pool.subset(np.flatnonzero(test))


def in_turn(items: Sequence[Item]) -> list[Item]:
    """The same items so that the gold labels take turns; those of one label stay in their order."""
    rank: dict[str | None, int] = {}
    order = []
    for item in items:
        rank[item.gold] = rank.get(item.gold, 0) + 1
        order.append(rank[item.gold])
    return [items[i] for i in np.argsort(order, kind="stable")]


def _rank(base: hashlib.blake2b, name: str) -> int:
    rank = base.copy()
    rank.update(name.encode("utf-8"))
    return int.from_bytes(rank.digest(), "big")
