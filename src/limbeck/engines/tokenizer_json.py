"""Text ↔ tokens of one model, from the `tokenizer.json` of its folder.

Text is data: control tokens that stand in a text are spelt out, never obeyed. Texts are read piece by piece and the
pieces joined, so nothing is put in front of a piece either, such as SentencePiece's blank before a text's first word.
Knows nothing of scores or of how an engine works.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Splitter

from limbeck.engines.base import Message
from limbeck.engines.chat import Chat
from limbeck.engines.folder import read_table
from limbeck.engines.tokens import byte_letters
from limbeck.errors import EngineError

# Stands before the number of a control token in the vocabulary, so that no text can spell its name. A code point that
# Unicode keeps free for such use; in a text it is replaced.
_VEIL = "\ufdd1"
BLANK = "▁"
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class FolderTokenizer:
    """The tokenizer of a model folder: byte-level, SentencePiece-like, or WordPiece.

    Args:
        folder: holds `tokenizer.json`, and as a rule `tokenizer_config.json`.

    Raises:
        EngineError: when a table is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        table = read_table(folder / "tokenizer.json")
        settings = read_table(folder / "tokenizer_config.json", needed=False)
        added = _added(table, settings)
        # Runs of blanks that are tokens of their own are text like any other.
        controls = {text: i for i, text, _ in added if text.strip(f" \t\r\n{BLANK}")}
        self._hidden = {i for i, text, special in added if special and text in controls}
        names = _names(settings, read_table(folder / "special_tokens_map.json", needed=False))
        try:
            around = _around(_built(table | {"truncation": None, "padding": None}))
            self._bytes = _spelling(table, added)
            self._splitter = _built(_bare(table, controls))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise EngineError(f"{folder.name}: tokenizer.json cannot be used: {error!r}") from error
        self._ids = {name: controls[text] for name, text in names.items() if text in controls}
        bos = [self._ids["bos_token"]] if "bos_token" in self._ids else []
        wanted = settings.get("add_bos_token")
        self._start = around[0] if wanted is None else bos if wanted else []
        self.close: list[int] = around[1]
        self.unknown = self._ids.get("unk_token")
        self.mask = self._ids.get("mask_token")
        self.longest = settings.get("model_max_length")
        self._end = _ends(folder) | ({self._ids["eos_token"]} if "eos_token" in self._ids else set())
        self._chat = Chat(_template(folder, settings), names, controls, self.encode, self._start)

    @property
    def start(self) -> list[int]:
        """What the model's rows begin with."""
        return list(self._start)

    @property
    def end(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return frozenset(self._end)

    def encode(self, text: str) -> list[int]:
        """Tokens of plain text; lone surrogates become U+FFFD."""
        clean = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace(_VEIL, "\ufffd")
        tokens: list[int] = self._splitter.encode(clean, add_special_tokens=False).ids
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of the tokens without control tokens."""
        return b"".join(self.spell(tokens)).decode("utf-8", "replace")

    def spell(self, tokens: Sequence[int]) -> list[bytes]:
        """The bytes of each token, none for a control token or a number beyond the vocabulary.

        Exact for byte-level and SentencePiece-like tokenizers; WordPiece keeps no blanks, so each word gets one.
        """
        return [b"" if token in self._hidden else self._bytes.get(token, b"") for token in tokens]

    def frame(self, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
        """Tokens of a conversation before and after the hole, up to where the assistant begins to speak."""
        return self._chat.frame(messages)


def _built(table: Mapping[str, Any]) -> Splitter:
    try:
        return Splitter.from_str(json.dumps(table))
    except Exception as error:  # tokenizers raises the bare Exception for every fault of the table
        raise ValueError(str(error).strip().splitlines()[0]) from error


def _added(table: Mapping[str, Any], settings: Mapping[str, Any]) -> list[tuple[int, str, bool]]:
    """(token, text, whether it is special) of everything that was added to the vocabulary."""
    found = {int(one["id"]): (str(one["content"]), bool(one.get("special"))) for one in table.get("added_tokens") or ()}
    for number, one in (settings.get("added_tokens_decoder") or {}).items():
        found.setdefault(int(number), (str(one["content"]), bool(one.get("special"))))
    return [(number, *rest) for number, rest in found.items()]


def _names(*tables: Mapping[str, Any]) -> dict[str, str]:
    """Text of each token that has a role, such as `bos_token`; the first table that names it counts."""
    found: dict[str, str] = {}
    for table in tables:
        for key, value in table.items():
            text = value.get("content") if isinstance(value, dict) else value
            if key.endswith("_token") and isinstance(text, str):
                found.setdefault(key, text)
    return found


def _around(whole: Splitter) -> tuple[list[int], list[int]]:
    """What the model's own tokenizer puts before and after a text."""
    bare: list[int] = whole.encode("a", add_special_tokens=False).ids
    full: list[int] = whole.encode("a").ids
    for at in range(len(full) - len(bare) + 1):
        if full[at : at + len(bare)] == bare:
            return full[:at], full[at + len(bare) :]
    return [], []


def _bare(table: Mapping[str, Any], controls: Mapping[str, int]) -> dict[str, Any]:
    """The same tokenizer, reading every text as text and adding nothing."""
    bare = json.loads(json.dumps(table))
    bare |= {"truncation": None, "padding": None, "post_processor": None, "decoder": None}
    bare["added_tokens"] = [one for one in table.get("added_tokens") or () if one["content"] not in controls]
    for step in ("normalizer", "pre_tokenizer"):
        bare[step] = _without_lead(bare.get(step))
    model = bare["model"]
    veiled = {text: f"{_VEIL}{number}" for text, number in controls.items()}
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {veiled.get(piece, piece): number for piece, number in vocabulary.items()}
    else:
        model["vocab"] = [[veiled.get(piece, piece), score] for piece, score in vocabulary]
    if model.get("unk_token") in veiled:
        model["unk_token"] = veiled[model["unk_token"]]
    if model.get("merges"):
        pairs = [tuple(one.split(" ", 1)) if isinstance(one, str) else tuple(one) for one in model["merges"]]
        model["merges"] = [list(pair) for pair in pairs if not {*pair, "".join(pair)} & controls.keys()]
    return dict(bare)


def _without_lead(step: Any) -> Any:
    """A step of normalising or cutting that puts nothing in front of a text; None where nothing is left of it."""
    if not isinstance(step, dict) or step.get("type") == "Prepend":
        return None
    changed = dict(step)
    for key in ("normalizers", "pretokenizers"):
        if key in step:
            changed[key] = [one for one in map(_without_lead, step[key]) if one is not None]
    if "add_prefix_space" in step:
        changed["add_prefix_space"] = False
    if step.get("type") == "Metaspace":
        changed |= {"add_prefix_space": False, "prepend_scheme": "never"}
    return changed


def _spelling(table: Mapping[str, Any], added: Sequence[tuple[int, str, bool]]) -> dict[int, bytes]:
    """Token → its bytes."""
    model = table["model"]
    vocabulary = model["vocab"]
    pairs = (
        [(number, piece) for piece, number in vocabulary.items()]
        if isinstance(vocabulary, dict)
        else [(number, piece) for number, (piece, _) in enumerate(vocabulary)]
    )
    steps = {step["type"] for key in ("pre_tokenizer", "decoder") for step in _steps(table.get(key))}
    if "ByteLevel" in steps:
        letters = byte_letters()
        found = {number: bytes(letters.get(letter, 63) for letter in piece) for number, piece in pairs}
    elif model["type"] == "WordPiece":
        joint = model["continuing_subword_prefix"]
        found = {
            number: (piece[len(joint) :] if piece.startswith(joint) else f" {piece}").encode()
            for number, piece in pairs
        }
    else:
        found = {number: _sentence_piece(piece) for number, piece in pairs}
    return found | {number: text.replace(BLANK, " ").encode() for number, text, _ in added}


def _steps(step: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(step, dict):
        yield step
        for key in ("pretokenizers", "decoders"):
            for inner in step.get(key) or ():
                yield from _steps(inner)


def _sentence_piece(piece: str) -> bytes:
    byte = _BYTE.fullmatch(piece)
    return bytes.fromhex(byte[1]) if byte else piece.replace(BLANK, " ").encode()


def _ends(folder: Path) -> set[int]:
    """Tokens that end an answer as the model's own settings for generation say."""
    for name in ("generation_config.json", "config.json"):
        said = read_table(folder / name, needed=False).get("eos_token_id")
        if said is not None:
            return {int(token) for token in (said if isinstance(said, list) else [said])}
    return set()


def _template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """The chat template: a file of its own, or a key of the settings, there alone or by name."""
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8", errors="replace")
    found = settings.get("chat_template")
    if isinstance(found, list):
        found = next((one.get("template") for one in found if one.get("name") == "default"), None)
    return found if isinstance(found, str) else None
