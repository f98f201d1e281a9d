"""The GGUF container: fields and tensors of a model file, checked against the file's size before anything is believed.

Every count and length is bounded, so that a damaged or hostile file ends in one clear error, quickly and in little
memory. Knows nothing of what architectures need or of any engine. Format: the GGUF specification, versions 2 and 3.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from limbeck.engines.base import Floats
from limbeck.errors import EngineError

MAGIC = b"GGUF"
MAX_ENTRIES = 1 << 16
MAX_ARRAY = 1 << 22
MAX_STRING = 1 << 24
MAX_NAME = 1 << 10
MAX_SIDE = 1 << 32
STRING, ARRAY = 8, 9

# Type number of a scalar field → its struct code.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field's value lies: its type number and the bytes from `start` to `end`."""

    kind: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: shape with the rows first, how it is quantised, and where its bytes lie in the file."""

    name: str
    shape: tuple[int, ...]
    kind: gguf.GGMLQuantizationType
    start: int
    bytes: int

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


class Container:
    """An opened GGUF file. Reading its values maps the file anew each time; nothing is kept open.

    Raises:
        EngineError: when the file is not a whole and consistent GGUF file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.bytes = path.stat().st_size
            with path.open("rb") as stream:
                if self.bytes < 24 or stream.read(4) != MAGIC:
                    raise self._refuse("is not a GGUF file")
                with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    cursor = _Cursor(data, 4)
                    try:
                        self._parse(cursor)
                    except ValueError as error:
                        raise self._refuse(f"{error} (near byte {cursor.position})") from error
        except OSError as error:
            raise EngineError(f"{path}: cannot be read: {error.strerror}", hint="Check the path.") from error

    def value(self, name: str, default: Any = None) -> Any:
        """A field's value: number, truth value, text or list of them."""
        field = self.fields.get(name)
        if field is None:
            return default
        with self.path.open("rb") as stream:
            stream.seek(field.start)
            data = stream.read(field.end - field.start)
        try:
            return _Cursor(data, 0).value(field.kind)
        except ValueError as error:
            raise self._refuse(f"field {name}: {error}") from error

    def values(self, prefix: str) -> dict[str, Any]:
        """All fields whose names begin with the prefix, by their full names."""
        return {name: self.value(name) for name in self.fields if name.startswith(prefix)}

    def floats(self, name: str, rows: npt.NDArray[np.int64] | slice = slice(None)) -> Floats:
        """A tensor's weights as float32, shape as stored; of a matrix only some rows where asked for.

        Raises:
            EngineError: when its quantisation is unknown to the gguf package or a weight is not finite.
        """
        tensor = self.tensors[name]
        raw = np.memmap(self.path, np.uint8, "r", tensor.start, (tensor.bytes,))
        chosen = np.array(raw.reshape(math.prod(tensor.shape[:-1]), -1)[rows] if len(tensor.shape) > 1 else raw)
        try:
            with np.errstate(all="ignore"):
                # As one long row: blocks follow each other, and the gguf package takes rows a few at a time.
                floats: Floats = gguf.quants.dequantize(chosen.reshape(1, -1), tensor.kind).astype(np.float32)
        except (NotImplementedError, ValueError) as error:
            raise self._refuse(f"tensor {name} of type {tensor.kind.name} cannot be read") from error
        if not np.isfinite(floats).all():
            raise self._refuse(f"tensor {name} holds weights that are not finite")
        return floats.reshape(-1, tensor.shape[-1]) if len(tensor.shape) > 1 else floats.reshape(-1)

    def chunks(self, name: str, weights: int = 1 << 22) -> Iterator[Floats]:
        """A tensor's weights in groups of rows of about so many weights, so that big ones need little memory."""
        tensor = self.tensors[name]
        count = math.prod(tensor.shape[:-1])
        step = max(1, weights // tensor.shape[-1])
        for start in range(0, count, step):
            yield self.floats(name, slice(start, start + step))

    def _parse(self, cursor: _Cursor) -> None:
        self.version = cursor.number("I")
        if self.version not in (2, 3):
            raise ValueError(f"is GGUF version {self.version}; versions 2 and 3 (little-endian) can be read")
        tensors, fields = cursor.number("Q"), cursor.number("Q")
        if tensors > MAX_ENTRIES or fields > MAX_ENTRIES:
            raise ValueError(f"says it holds {tensors} tensors and {fields} fields")
        self.fields: dict[str, Field] = {}
        for _ in range(fields):
            name = cursor.text(MAX_NAME)
            kind = cursor.number("I")
            start = cursor.position
            cursor.skip(kind)
            if not name or name in self.fields:
                raise ValueError(f"field {name!r} stands in it twice or has no name")
            self.fields[name] = Field(kind, start, cursor.position)
        self.fields_end = cursor.position
        outlines = [self._outline(cursor) for _ in range(tensors)]
        alignment = self._alignment(cursor)
        data = -(-cursor.position // alignment) * alignment
        self.tensors: dict[str, Tensor] = {}
        end = 0
        for name, shape, kind, offset in sorted(outlines, key=lambda it: it[3]):
            block, size = gguf.GGML_QUANT_SIZES[kind]
            length = math.prod(shape) // block * size
            if offset % alignment or offset < end or data + offset + length > self.bytes:
                raise ValueError(f"tensor {name!r} lies outside the file, upon another or unaligned")
            if name in self.tensors:
                raise ValueError(f"tensor {name!r} stands in it twice")
            end = offset + length
            self.tensors[name] = Tensor(name, shape, kind, data + offset, length)

    def _outline(self, cursor: _Cursor) -> tuple[str, tuple[int, ...], gguf.GGMLQuantizationType, int]:
        """Name, shape, type and offset of the next tensor."""
        name, dimensions = cursor.text(MAX_NAME), cursor.number("I")
        if not name or not 1 <= dimensions <= 4:
            raise ValueError(f"tensor {name!r} has {dimensions} dimensions")
        shape = tuple(reversed([cursor.number("Q") for _ in range(dimensions)]))
        number, offset = cursor.number("I"), cursor.number("Q")
        try:
            kind = gguf.GGMLQuantizationType(number)
        except ValueError as error:
            raise ValueError(f"tensor {name!r} has the unknown type {number}") from error
        if not all(1 <= side <= MAX_SIDE for side in shape) or shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
            raise ValueError(f"tensor {name!r} of type {kind.name} has the shape {shape}")
        return name, shape, kind, offset

    def _alignment(self, cursor: _Cursor) -> int:
        field = self.fields.get("general.alignment")
        if field is None:
            return int(gguf.GGUF_DEFAULT_ALIGNMENT)
        alignment = _Cursor(cursor.data, field.start).number("I") if field.kind == 4 else 0
        if not 8 <= alignment <= 1 << 16 or alignment & (alignment - 1):
            raise ValueError(f"general.alignment is {alignment}")
        return alignment

    def _refuse(self, why: str) -> EngineError:
        return EngineError(
            f"{self.path.name}: {why}",
            hint="The file is damaged, incomplete or no GGUF model: get it again and compare its checksum.",
        )


class _Cursor:
    """A position in bytes that never runs past their end."""

    def __init__(self, data: mmap.mmap | bytes, position: int) -> None:
        self.data, self.position, self._end = data, position, len(data)

    def number(self, code: str) -> Any:
        size = struct.calcsize("<" + code)
        self._need(size)
        (value,) = struct.unpack_from("<" + code, self.data, self.position)
        self.position += size
        return value

    def text(self, limit: int = MAX_STRING) -> str:
        length = self.number("Q")
        if length > limit:
            raise ValueError(f"a text of {length} bytes")
        self._need(length)
        self.position += length
        return self.data[self.position - length : self.position].decode()

    def skip(self, kind: int) -> None:
        """Step over a value of a type."""
        if kind in _SCALARS:
            size = struct.calcsize("<" + _SCALARS[kind])
            self._need(size)
            self.position += size
        elif kind == STRING:
            self.text()
        elif kind == ARRAY:
            inner, count = self._array()
            if inner == STRING:
                self._skip_texts(count)
            else:
                self._need(count * struct.calcsize("<" + _SCALARS[inner]))
                self.position += count * struct.calcsize("<" + _SCALARS[inner])
        else:
            raise ValueError(f"a field of the unknown type {kind}")

    def _skip_texts(self, count: int) -> None:
        """Step over a list of texts; a vocabulary has 100,000 of them, hence no calls inside."""
        read, position = struct.Struct("<Q").unpack_from, self.position
        for _ in range(count):
            if position + 8 > self._end:
                raise ValueError("ends too early")
            (length,) = read(self.data, position)
            position += 8 + length
            if position > self._end or length > MAX_STRING:
                raise ValueError(f"a text of {length} bytes")
        self.position = position

    def value(self, kind: int) -> Any:
        """The value of a type, as Python objects."""
        if kind == STRING:
            return self.text()
        if kind != ARRAY:
            return self.number(_SCALARS[kind])
        inner, count = self._array()
        if inner == STRING:
            return [self.text() for _ in range(count)]
        code = _SCALARS[inner]
        self._need(count * struct.calcsize("<" + code))
        return list(struct.unpack_from(f"<{count}{code}", self.data, self.position))

    def _array(self) -> tuple[int, int]:
        inner, count = self.number("I"), self.number("Q")
        if inner != STRING and inner not in _SCALARS:
            raise ValueError(f"a list of the unknown type {inner}")
        if count > MAX_ARRAY:
            raise ValueError(f"a list of {count} values")
        return inner, count

    def _need(self, size: int) -> None:
        if self.position + size > self._end:
            raise ValueError("ends too early")
