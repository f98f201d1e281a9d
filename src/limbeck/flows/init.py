"""Data → a first task file: look at some rows, guess what the columns mean, write it all down with comments.

Knows nothing of models, agents or runs.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from limbeck.errors import ConfigError, DataError
from limbeck.pool import columns, read_rows
from limbeck.task import parse_task

_LOOKED_AT = 1000
_MOST_LABELS = 50
_LONGEST_LABEL = 60

_TEXT_NAMES = re.compile(r"text|sentence|content|body|review|comment|message|document|question|utterance|tweet", re.I)
_LABEL_NAMES = re.compile(r"label|class|categor|sentiment|gold|target|topic|intent|stance|emotion", re.I)
_ID_NAMES = re.compile(r"(^|[_\W])(id|uid|uuid|guid|key|idx|index)$|[a-z]I[dD]$|^id", re.I)

_PLACEHOLDERS = ("first-label", "second-label")


@dataclass(frozen=True, slots=True)
class Draft:
    """A task file that was written and what was guessed for it.

    Attributes:
        path: the file.
        text_column: the column that is shown to the workers.
        label_column: the column with true labels, or None where there seems to be none.
        labels: the labels found in it, most frequent first; placeholders where there is none.
        rows: how many rows were looked at.
    """

    path: Path
    text_column: str
    label_column: str | None
    labels: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class _Guess:
    text: str
    gold: str | None
    people: str | None
    id: str | None
    labels: tuple[str, ...]
    rows: int


def init(source: Path, target: Path, *, overwrite: bool = False) -> Draft:
    """Write a first task file for a data source.

    Args:
        source: what `limbeck.pool.read_rows` can read.
        target: the YAML file to write.
        overwrite: whether a file that is there may be replaced.

    Raises:
        ConfigError: when the target is there already or cannot be written.
        DataError: when the source cannot be read or holds no text.
    """
    if target.exists() and not overwrite:
        raise ConfigError(f"{target}: is there already", hint="Name another one by --task, or use --force.")
    guess = _look(source)
    text = _written(guess, name=source.name, pool=_pool_path(source, target.parent))
    parse_task(text, source=target)
    try:
        with target.open("w" if overwrite else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error.strerror or error}") from error
    return Draft(target, guess.text, guess.gold, guess.labels, guess.rows)


def draft_task(source: Path) -> str:
    """The text of a first task file that is meant to stand beside `source`."""
    return _written(_look(source), name=source.name, pool=_pool_path(source, source.parent))


def _pool_path(source: Path, folder: Path) -> str:
    # A link stays a link: only the folder around it is made whole.
    whole = source.parent.resolve() / source.name if source.name not in ("", "..") else source.resolve()
    base = folder.resolve()
    raw = whole.relative_to(base).as_posix() if whole.is_relative_to(base) else whole.as_posix()
    # Without suffix and separator it would be taken for the name of a built-in data set.
    return raw if "/" in raw or Path(raw).suffix else f"./{raw}"


def _look(source: Path) -> _Guess:
    names = columns(source)
    cells: dict[str, list[str]] = {name: [] for name in names}
    rows = 0
    with closing(read_rows(source)) as found:
        for row in islice(found, _LOOKED_AT):
            rows += 1
            for name, text in row.fields.items():
                if text is not None and text.strip():
                    cells.setdefault(name, []).append(text)
    filled = {name: texts for name, texts in cells.items() if texts and name.strip()}
    if not filled:
        raise DataError(f"{source}: holds no rows with text", hint="One row for each text is needed.")
    people = next((name for name, texts in filled.items() if all(map(_is_people, texts))), None)
    filled.pop(people or "", None)
    if not filled:
        raise DataError(f"{source}: has no column with texts", hint="Name the columns in the first line.")
    text = max(filled, key=lambda name: _texthood(name, filled[name]))
    gold = _label_column({name: texts for name, texts in filled.items() if name != text})
    others = [name for name in filled if name not in (text, gold)]
    identity = next((name for name in others if _ID_NAMES.search(name) and _is_identity(filled[name], rows)), None)
    counts = Counter(one.strip() for one in filled[gold]) if gold else Counter[str]()
    labels = tuple(sorted(counts, key=lambda one: (-counts[one], one))) or _PLACEHOLDERS
    return _Guess(text, gold, people, identity, labels, rows)


def _texthood(name: str, texts: Sequence[str]) -> tuple[float, bool]:
    """Long and mostly different cells make a text; its name decides where that leaves a doubt."""
    distinct = len(set(texts)) / len(texts)
    words = sum(1 + one.count(" ") for one in texts) / len(texts)
    length = sum(map(len, texts)) / len(texts)
    # Cells of one word, such as addresses and hashes, are long without saying anything.
    weight = length * distinct * (1.0 if words > 1.5 else 0.2)
    return weight * (2.0 if _TEXT_NAMES.search(name) else 1.0), bool(_TEXT_NAMES.search(name))


def _label_column(filled: dict[str, list[str]]) -> str | None:
    """Few short values, most of them repeated; a telling name first, then the fewest values."""
    best: tuple[bool, int] | None = None
    chosen = None
    for name, texts in filled.items():
        counts = Counter(one.strip() for one in texts)
        repeated = sum(count > 1 for count in counts.values())
        few = 2 <= len(counts) <= min(_MOST_LABELS, max(2, len(texts) // 2))
        short = max(map(len, counts)) <= _LONGEST_LABEL
        if not few or not short or repeated < 0.8 * len(counts):
            continue
        rank = (not _LABEL_NAMES.search(name), len(counts))
        if best is None or rank < best:
            best, chosen = rank, name
    return chosen


def _is_identity(texts: Sequence[str], rows: int) -> bool:
    return len(texts) == rows == len(set(texts)) and max(map(len, texts)) <= 200


def _is_people(text: str) -> bool:
    if not text.lstrip().startswith("{"):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and all(type(number) is int and number >= 0 for number in value.values())


def _quote(text: str) -> str:
    """Any text as a double-quoted YAML scalar on one line."""
    return '"' + "".join(_escaped(one) for one in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _comment(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)


def _written(guess: _Guess, *, name: str, pool: str) -> str:
    title = re.sub(r"[^a-z0-9_]+", "-", name.split(".")[0].lower()).strip("-")[:50] or "task"
    if guess.gold is None:
        about = "EDIT: no column with labels was found; write your own labels here, best with a description each"
    else:
        about = f"found in the column {_comment(guess.gold)}; a description after the colon helps the workers"
    return _TEMPLATE.format(
        source=_comment(name),
        rows=guess.rows,
        title=_quote(title),
        about=about,
        labels="\n".join(f"    {_quote(label)}:" for label in guess.labels),
        text=_quote(guess.text),
        pool=_quote(pool),
        gold=_optional("gold", guess.gold, "the column with the true label; used to measure, never shown"),
        people=_optional("people", guess.people, 'a column with people\'s choices, such as {"good": 3, "bad": 1}'),
        id=_optional("id", guess.id, "a column with ids; without it they are made from the texts"),
        model_words=_quote(guess.labels[0]),
    )


def _optional(key: str, value: str | None, about: str) -> str:
    return f"# {key}: {key:<24} # {about}" if value is None else f"{key}: {_quote(value):<26} # {about}"


_TEMPLATE = """\
# A task file for limbeck, drafted from the first {rows} rows of {source}.
# Read it through: what the columns mean was guessed. Lines that begin with # show further settings and their defaults.

task:
  name: {title}
  # instructions: Decide which label fits the text best.   # what every worker is told; made from the labels by default
  # The labels, {about}.
  labels:
{labels}
  show: [{text}]   # the columns that the workers see

data:
  pool: {pool}   # CSV, JSONL, Parquet or a folder of Hugging Face datasets
  {gold}
  {people}
  {id}
  # test: {{share: 0.2}}              # test items: a share of the pool, {{items: 500}}, or a file of its own
  # limit: 3000                     # use only so many items, drawn by the seed
  seed: 0

# The workers. Without this section four unlike workers answer: three ways of asking one small model, and an encoder.
# agents:
#   - name: chat
#     model: smollm2-135m-instruct  # a name, a .gguf file, or hf:owner/name:file.gguf
#     style: chat                   # chat | plain
#     label_words: {{{model_words}: "another word"}}
#     decode: {{choice: {{calibration: batch}}}}   # none | batch | contextual | pmi
#     long_text: head               # which part of a too long text is kept: head | tail | middle
#   - name: similarity
#     encoder: all-minilm-l6-v2     # compares the text with each label's description

committee:
  # protocol: vote                  # vote | cascade | debate | judge | critic: who is asked what
  aggregate: opinion-pool           # majority | weighted | dawid-skene | opinion-pool
  # prior: uniform                  # or a mapping from label to its expected share
  accept: 0.0                       # confidence from which a label is accepted

selection:
  strategy: margin                  # random | entropy | vote-entropy | badge | cal | proactive | k-centre | …
  rounds: 5
  # start: 0.2                      # share of the budget that the first round asks
  # cold: k-means                   # how the first round chooses: random | k-centre | k-means | typiclust | probcover
  # stop: none                      # stability | plateau | {{cost: {{most: 200}}}}: rules that may end the rounds early

student:
  kind: linear                      # linear | encoder: a fine-tuned one; needs pip install 'limbeck[torch]'
  encoder: all-minilm-l6-v2         # null: word counts only
  # min_confidence: 0.0             # labels below this do not teach

budget:                             # whichever ends first; null = no limit
  items: null
  tokens: null
  seconds: null

privacy:
  allow_remote: false               # whether texts may leave this machine
"""
