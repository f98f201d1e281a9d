"""A GGUF file again with every tensor in a quantisation that OpenVINO's reader reads rightly.

Works a few rows at a time, whatever the model's size. Knows nothing of architectures or of converting.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import gguf

from limbeck.engines.container import MAGIC, Container, Tensor
from limbeck.errors import EngineError

_Kind = gguf.GGMLQuantizationType
# The field general.file_type for a file whose matrices are all of one type. The reader goes by it, not by the tensors.
_FILE_TYPES = {_Kind.F16: 1, _Kind.Q8_0: 7}


def is_read_rightly(model: Container) -> bool:
    """Whether the file can be converted as it is."""
    kinds = {name: tensor.kind for name, tensor in model.tensors.items()}
    told = model.value("general.file_type")
    return kinds == _rewritten_kinds(model) and told == _FILE_TYPES[_matrix_kind(model)]


def rewrite_q8_0(source: Path, target: Path) -> None:
    """Write the same model with every matrix as Q8_0 and every vector as F32, a few rows at a time.

    All matrices become F16 instead where they are all F16 already, or where rows are no multiple of 32. Fields are
    kept.

    Raises:
        EngineError: when the source is damaged, a weight is not finite, or the target cannot be written.
    """
    model = Container(source)
    alignment = model.value("general.alignment", gguf.GGUF_DEFAULT_ALIGNMENT)
    kinds = _rewritten_kinds(model)
    try:
        with source.open("rb") as stream, target.open("wb") as out:
            out.write(_head(model, stream.read(model.fields_end), _FILE_TYPES[_matrix_kind(model)]))
            offset = 0
            for name, tensor in model.tensors.items():
                out.write(_outline(tensor, kinds[name], offset))
                offset += -(-_length(tensor, kinds[name]) // alignment) * alignment
            for name, tensor in model.tensors.items():
                out.write(b"\0" * (-out.tell() % alignment))
                _write_tensor(model, tensor, kinds[name], out)
            out.write(b"\0" * (-out.tell() % alignment))
    except OSError as error:
        raise EngineError(
            f"{target}: cannot be written: {error.strerror}", hint="Check the free space and the permissions."
        ) from error


def _matrix_kind(model: Container) -> gguf.GGMLQuantizationType:
    """What all matrices become: the reader wants one type for all."""
    matrices = [tensor for tensor in model.tensors.values() if len(tensor.shape) > 1]
    halves = all(tensor.kind == _Kind.F16 for tensor in matrices)
    return _Kind.F16 if halves or any(tensor.shape[-1] % 32 for tensor in matrices) else _Kind.Q8_0


def _rewritten_kinds(model: Container) -> dict[str, gguf.GGMLQuantizationType]:
    matrix = _matrix_kind(model)
    return {name: matrix if len(tensor.shape) > 1 else _Kind.F32 for name, tensor in model.tensors.items()}


def _length(tensor: Tensor, kind: gguf.GGMLQuantizationType) -> int:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    return int(tensor.size // block * size)


def _head(model: Container, start: bytes, file_type: int) -> bytes:
    """Magic, version, counts and fields, with `general.file_type` set to what the file now is."""
    fields, field = start[24:], model.fields.get("general.file_type")
    value = struct.pack("<I", file_type)
    if field is not None and field.kind == 4:
        fields = fields[: field.start - 24] + value + fields[field.end - 24 :]
    count = len(model.fields)
    if field is None:
        name = b"general.file_type"
        fields, count = fields + struct.pack("<Q", len(name)) + name + struct.pack("<I", 4) + value, count + 1
    return MAGIC + struct.pack("<IQQ", 3, len(model.tensors), count) + fields


def _outline(tensor: Tensor, kind: gguf.GGMLQuantizationType, offset: int) -> bytes:
    name, sides = tensor.name.encode(), tuple(reversed(tensor.shape))
    head = struct.pack("<Q", len(name)) + name + struct.pack(f"<I{len(sides)}Q", len(sides), *sides)
    return head + struct.pack("<IQ", int(kind), offset)


def _write_tensor(model: Container, tensor: Tensor, kind: gguf.GGMLQuantizationType, out: BinaryIO) -> None:
    if kind == tensor.kind:
        with model.path.open("rb") as stream:
            stream.seek(tensor.start)
            for block in _blocks(stream, tensor.bytes):
                out.write(block)
        return
    for floats in model.chunks(tensor.name):
        out.write(gguf.quants.quantize(floats, kind).tobytes())


def _blocks(stream: BinaryIO, count: int) -> Iterator[bytes]:
    while count > 0 and (block := stream.read(min(count, 1 << 22))):
        count -= len(block)
        yield block
