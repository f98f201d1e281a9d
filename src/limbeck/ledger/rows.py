"""Records ↔ rows of the ledger's tables, each row sealed with a checksum of its own.

Knows nothing of files or of SQL beyond the names of tables and columns.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limbeck.errors import RunError
from limbeck.records import Item, Label, Usage, Vote

Row = tuple[Any, ...]

# Every table ends with a further column, `crc`: SQLite notices damage to its own structure, not to a value in it.
TABLES: dict[str, tuple[str, ...]] = {
    "meta": ("key", "value"),
    "items": ("id", "fields", "gold", "people", "count"),
    "votes": (
        *("key", "item", "worker", "label", "reason", "scores", "baseline", "rationale", "flags"),
        *("prefilled", "decoded", "reused", "seconds", "created"),
    ),
    "traces": ("key", "body"),
    "states": ("key", "body"),
    "rounds": ("number", "strategy", "selected", "facts"),
    "labels": ("item", "label", "probabilities", "confidence", "accepted", "how"),
    "phases": ("body",),
}


@dataclass(frozen=True, slots=True)
class Round:
    """One round of questions.

    Attributes:
        number: 0, 1, 2, …
        strategy: name of the selector that chose the items.
        selected: ids of the items, in the order chosen.
        facts: what was found out when the round was finished, such as its point of the learning curve; None before.
    """

    number: int
    strategy: str
    selected: tuple[str, ...]
    facts: Mapping[str, Any] | None = None


def vote_key(**parts: Any) -> str:
    """Hash of everything that changes an answer: 32 hex digits, the same for the same parts in any order.

    Raises:
        RunError: for a part that JSON cannot hold.
    """
    return hashlib.sha256(to_json(parts, what="a vote's key", sort=True).encode()).hexdigest()[:32]


def to_json(value: Any, *, what: str, sort: bool = False) -> str:
    """One line of ASCII, which also carries lone surrogates through a database that takes only valid Unicode."""
    try:
        return json.dumps(value, sort_keys=sort, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{what} cannot be stored as JSON: {error}",
            hint="store text, finite numbers, true/false, None, lists and mappings of these only",
        ) from error


def spelling(values: Row) -> bytes:
    """The values of a row in a form that tells any two rows apart and is the same on every machine.

    They must be plain str, int, float, bytes or None: a subclass would be spelt otherwise than what SQLite gives back.
    """
    return ascii(values).encode("ascii")


def checksum(values: Row) -> int:
    """CRC-32 of a row's values."""
    return zlib.crc32(spelling(values))


def seal(values: Row) -> Row:
    """The row with its checksum appended."""
    return (*values, checksum(values))


def is_sound(row: Row) -> bool:
    """Whether a row read back still agrees with its checksum."""
    return bool(checksum(row[:-1]) == row[-1])


def vote_row(vote: Vote, created: str) -> Row:
    """The row of a vote; `created` is a UTC stamp for display only."""
    usage = vote.usage
    if not math.isfinite(usage.seconds):
        raise RunError(f"vote {vote.key} on item {vote.item}: its seconds are {usage.seconds}, not a finite number")
    return seal(
        (
            str(vote.key),
            str(vote.item),
            str(vote.worker),
            _text(vote.label),
            _text(vote.reason),
            _floats(vote.scores),
            _floats(vote.baseline),
            _text(vote.rationale),
            to_json(list(vote.flags), what=f"the flags of vote {vote.key}"),
            int(usage.prefilled),
            int(usage.decoded),
            int(usage.reused),
            float(usage.seconds),
            created,
        )
    )


def to_vote(row: Row) -> Vote:
    """The vote that `vote_row` stored."""
    key, item, worker, label, reason, scores, baseline, rationale, flags, prefilled, decoded, reused, seconds, _ = row
    return Vote(
        key=key,
        item=item,
        worker=worker,
        label=label,
        reason=reason,
        scores=_tuple(scores),
        baseline=_tuple(baseline),
        rationale=rationale,
        flags=tuple(json.loads(flags)),
        usage=Usage(prefilled, decoded, reused, seconds),
    )


def trace_row(key: str, trace: Mapping[str, Any]) -> Row:
    """The row of a vote's trace: JSON, compressed, as a tree of branches repeats itself a lot."""
    return seal((str(key), zlib.compress(to_json(dict(trace), what=f"the trace of vote {key}").encode(), 6)))


def to_trace(row: Row) -> tuple[str, dict[str, Any]]:
    """The key and the trace that `trace_row` stored."""
    key, body = row
    return key, json.loads(zlib.decompress(body))


def item_row(item: Item) -> Row:
    """The row of an item."""
    what = f"item {item.id}"
    people = None if item.people is None else to_json(dict(item.people), what=what)
    return seal((str(item.id), to_json(dict(item.fields), what=what), _text(item.gold), people, int(item.count)))


def to_item(row: Row) -> Item:
    """The item that `item_row` stored."""
    key, fields, gold, people, count = row
    return Item(key, json.loads(fields), gold, None if people is None else json.loads(people), count)


def label_row(label: Label) -> Row:
    """The row of a final label."""
    probabilities = _floats(label.probabilities)
    confidence = float(label.confidence)
    if not math.isfinite(confidence):
        raise RunError(f"the label of item {label.item} has the confidence {confidence}, not a finite number")
    return seal(
        (str(label.item), _text(label.label), probabilities, confidence, int(label.accepted), str(label.how)),
    )


def to_label(row: Row) -> Label:
    """The label that `label_row` stored."""
    item, label, probabilities, confidence, accepted, how = row
    return Label(item, label, _tuple(probabilities) or (), confidence, bool(accepted), how)


def round_row(entry: Round) -> Row:
    """The row of a round."""
    what = f"round {entry.number}"
    facts = None if entry.facts is None else to_json(dict(entry.facts), what=what)
    return seal((int(entry.number), str(entry.strategy), to_json(list(entry.selected), what=what), facts))


def to_round(row: Row) -> Round:
    """The round that `round_row` stored."""
    number, strategy, selected, facts = row
    return Round(number, strategy, tuple(json.loads(selected)), None if facts is None else json.loads(facts))


def _text(value: str | None) -> str | None:
    return None if value is None else str(value)


def _floats(values: Sequence[float] | None) -> bytes | None:
    # Eight bytes each, little-endian: every bit survives, also of -0.0 and of infinities.
    return None if values is None else struct.pack(f"<{len(values)}d", *values)


def _tuple(data: bytes | None) -> tuple[float, ...] | None:
    return None if data is None else struct.unpack(f"<{len(data) // 8}d", data)
