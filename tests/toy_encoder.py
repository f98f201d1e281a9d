"""A working sentence encoder of five words, written by hand, for tests without the real one.

Its one operation looks up a row of a table for each token, so a text's vector is the normalised mean of known rows.
"""

from __future__ import annotations

import struct
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

START, UNKNOWN = "^", "?"  # every text begins with START, as every real one begins with [CLS]
WORDS = (START, UNKNOWN, "red", "blue", "good", "bad")
TABLE = ((1, 0, 0, 0, 0), (1, 1, 1, 1, 1), (0, 1, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 1, 0), (0, 0, 0, 0, 1))
INT64, FLOAT = 7, 1


def write_toy_encoder(folder: Path, *, table: tuple[tuple[float, ...], ...] = TABLE) -> Path:
    """Write `tokenizer.json` and `onnx/model.onnx` under the folder and return the folder."""
    (folder / "onnx").mkdir(parents=True)
    words = Tokenizer(WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token=UNKNOWN))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(single=f"{START} $A", special_tokens=[(START, 0)])
    words.save(str(folder / "tokenizer.json"))
    (folder / "onnx" / "model.onnx").write_bytes(_model(table))
    return folder


def _model(table: tuple[tuple[float, ...], ...]) -> bytes:
    """An ONNX file, field by field: Gather(table, input_ids)."""
    width = len(table[0])
    numbers = b"".join(struct.pack("<f", number) for row in table for number in row)
    rows = _number(1, len(table)) + _number(1, width) + _number(2, FLOAT) + _bytes(8, b"table") + _bytes(9, numbers)
    gather = _bytes(1, b"table") + _bytes(1, b"input_ids") + _bytes(2, b"last_hidden_state") + _bytes(4, b"Gather")
    graph = _bytes(1, gather) + _bytes(2, b"toy") + _bytes(5, rows)
    graph += _bytes(11, _port(b"input_ids", INT64, b"rows", b"tokens"))
    graph += _bytes(11, _port(b"attention_mask", INT64, b"rows", b"tokens"))
    graph += _bytes(12, _port(b"last_hidden_state", FLOAT, b"rows", b"tokens", width))
    return _number(1, 8) + _bytes(8, _bytes(1, b"") + _number(2, 13)) + _bytes(7, graph)


def _port(name: bytes, kind: int, *shape: bytes | int) -> bytes:
    sizes = [_bytes(1, _number(1, size) if isinstance(size, int) else _bytes(2, size)) for size in shape]
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, b"".join(sizes))))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
