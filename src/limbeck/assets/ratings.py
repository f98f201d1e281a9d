"""Short texts with many people's ratings (Hutto & Gilbert, ICWSM 2014) as one JSON line per text.

A person's label is the sign of the rating (−4 … +4): negative, neutral (0) or positive. A text's gold label is the sign
of its mean rating; a mean of exactly 0 has none. Whatever does not fit is counted in `counts.json`.
Knows nothing of where the archive comes from, of the catalogue or of pools.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from limbeck.assets.archives import unpack
from limbeck.assets.base import Delivery, File, Source
from limbeck.errors import AssetError

MEMBER_LIMIT = 1 << 25
"""The most bytes of one table of texts or ratings."""

_TOLERANCE = 1e-3  # means are printed with at least five digits
_SCALE = range(-4, 5)
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class RatedTexts:
    """Two tables of a nested archive: texts with mean ratings, and every single rating.

    Attributes:
        source: brings the archive that holds the tables.
        archive: the archive's relative name in the source, and what it must be.
        texts: path inside the archive of the table: id, mean rating, text.
        ratings: path inside the archive of the table: id, mean rating, standard deviation, list of ratings.
    """

    source: Source
    archive: Mapping[str, File]
    texts: str
    ratings: str

    def __str__(self) -> str:
        return f"{self.source}, {PurePosixPath(self.texts).name}"

    def fetch(self, delivery: Delivery) -> None:
        """Write `items.jsonl` and `counts.json`."""
        with tempfile.TemporaryDirectory(dir=delivery.folder) as temporary:
            folder = Path(temporary)
            self.source.fetch(replace(delivery, folder=folder, wanted=self.archive))
            tables = {self.texts: folder / "texts", self.ratings: folder / "ratings"}
            (name,) = self.archive
            unpack(folder / name, tables, dict.fromkeys(tables, MEMBER_LIMIT), total=1 << 27)
            lines, counts = join(tables[self.texts].read_bytes(), tables[self.ratings].read_bytes())
        told = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in counts.items() if count)
        delivery.say(f"prepared {PurePosixPath(self.texts).name}: {told}")
        try:
            (delivery.folder / "items.jsonl").write_bytes(lines)
            (delivery.folder / "counts.json").write_bytes(json.dumps(counts, indent=2).encode() + b"\n")
        except OSError as error:
            raise AssetError(
                f"{delivery.folder}: cannot be written: {error.strerror}", hint="Check the free space and permissions."
            ) from error


def join(texts: bytes, ratings: bytes) -> tuple[bytes, dict[str, int]]:
    """Both tables as JSON lines, in the order of the texts, and how many rows met which fate.

    Each line has `id`, `text`, `gold` ("positive", "negative" or null), `rating` (the mean) and `people` (counts of
    negative, neutral and positive ratings; null where the ratings are missing or have another mean than the text,
    because then they were given to another wording). Of rows with the same id the first counts.
    """
    counts: Counter[str] = Counter()
    people = _table(ratings, _read_ratings, counts, "rating")
    rated = _table(texts, _read_text, counts, "text")
    lines = []
    for key, (mean, text) in rated.items():
        gold = "positive" if mean > 0 else "negative" if mean < 0 else None
        given = people.get(key)
        if given is None:
            counts["texts_without_ratings"] += 1
        elif abs(sum(given) / len(given) - mean) > _TOLERANCE:
            counts["ratings_of_another_mean"] += 1
            given = None
        item = {"id": key, "text": text, "gold": gold, "rating": mean, "people": _people(given)}
        lines.append(json.dumps(item, ensure_ascii=False) + "\n")
        counts[f"gold_{gold or 'none'}"] += 1
    counts["items"] = len(lines)
    counts["repeated_texts"] = len(rated) - len({text for _, text in rated.values()})
    counts["ratings_without_text"] = len(people.keys() - rated.keys())
    return "".join(lines).encode(), {what: counts[what] for what in _FATES}


_FATES = (
    "items",
    "gold_positive",
    "gold_negative",
    "gold_none",
    "repeated_texts",
    "texts_without_ratings",
    "ratings_of_another_mean",
    "ratings_without_text",
    "bad_text_rows",
    "bad_rating_rows",
    "repeated_text_ids",
    "repeated_rating_ids",
    "rows_not_in_utf_8",
)


def _table(data: bytes, read: Callable[[list[str]], _Row | None], counts: Counter[str], what: str) -> dict[str, _Row]:
    """Rows by id; those that cannot be read, repeat an id or are no UTF-8 are counted."""
    rows: dict[str, _Row] = {}
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        raw = line.removesuffix(b"\r")
        if not raw:
            continue
        try:
            columns = raw.decode().split("\t")
        except UnicodeDecodeError:
            columns = raw.decode("cp1252", "replace").split("\t")
            counts["rows_not_in_utf_8"] += 1
        value = read(columns)
        if value is None or not columns[0]:
            counts[f"bad_{what}_rows"] += 1
        elif columns[0] in rows:
            counts[f"repeated_{what}_ids"] += 1
        else:
            rows[columns[0]] = value
    return rows


def _read_text(columns: list[str]) -> tuple[float, str] | None:
    """Mean rating and text, or None for a row that holds no such thing."""
    if len(columns) < 3:
        return None
    text = "\t".join(columns[2:])
    try:
        mean = float(columns[1])
    except ValueError:
        return None
    return (mean, text) if math.isfinite(mean) and abs(mean) <= _SCALE[-1] and text.strip() else None


def _read_ratings(columns: list[str]) -> list[int] | None:
    """The single ratings, or None for a row that holds no such thing."""
    if len(columns) != 4:
        return None
    try:
        values = json.loads(columns[3])
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or not values:
        return None
    return values if all(type(value) is int and value in _SCALE for value in values) else None


def _people(ratings: list[int] | None) -> dict[str, int] | None:
    if ratings is None:
        return None
    signs = Counter((rating > 0) - (rating < 0) for rating in ratings)
    return {"negative": signs[-1], "neutral": signs[0], "positive": signs[1]}
