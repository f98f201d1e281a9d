"""GGUF files: what is read, what is refused, what is rewritten."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

import gguf as library
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tiny_model
from limbeck.engines.container import Container
from limbeck.engines.gguf import inspect
from limbeck.engines.reference import log_probabilities
from limbeck.engines.requantisation import is_read_rightly, rewrite_q8_0
from limbeck.errors import EngineError


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf", kind=Kind.Q4_1)


def test_inspect_counts_by_hand(tiny: Path) -> None:
    info = inspect(tiny)
    matrices = 300 * 64 + 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 96 * 64)
    vectors = 64 + 2 * 2 * 64
    assert info.quantisation == {"Q4_1": matrices, "F32": vectors}
    assert info.parameters == matrices + vectors
    assert (info.architecture, info.context, info.layers, info.vocabulary) == ("llama", 128, 2, 300)
    assert (info.tokenizer, info.has_chat, info.bytes) == ("gpt2", False, tiny.stat().st_size)


def test_fields_and_weights_equal_those_of_the_gguf_package(tiny: Path) -> None:
    model, reader = Container(tiny), library.GGUFReader(tiny)
    names = [name for name in reader.fields if not name.startswith("GGUF.")]
    assert list(model.fields) == names
    for name in names:
        assert model.value(name) == reader.fields[name].contents()
    for tensor in reader.tensors:
        expected = library.quants.dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(model.floats(tensor.name), expected)
    rows = np.array([5, 0, 7])
    everything = model.floats("token_embd.weight")
    np.testing.assert_array_equal(model.floats("token_embd.weight", rows), everything[rows])
    np.testing.assert_array_equal(np.concatenate(list(model.chunks("token_embd.weight", 640))), everything)
    assert model.value("no.such.field", 7) == 7


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.99, 0.9999])
def test_truncated_files_are_refused(tiny: Path, tmp_path: Path, share: float) -> None:
    data = tiny.read_bytes()
    short = tmp_path / "short.gguf"
    short.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(EngineError):
        inspect(short)


@pytest.mark.parametrize(
    "content",
    [b"", b"GGUF", b"PK\x03\x04" + bytes(100), b"GGUF" + bytes(20), b"FUGG" + bytes(100), b"GGUF" + b"\xff" * 200],
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    foreign = tmp_path / "foreign.gguf"
    foreign.write_bytes(content)
    with pytest.raises(EngineError):
        inspect(foreign)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(EngineError):
            inspect(path)


def _number(code: str, value: int) -> bytes:
    return struct.pack("<" + code, value)


def _field(data: bytes, name: str) -> int:
    """Where the value of a field begins."""
    return data.index(struct.pack("<Q", len(name)) + name.encode()) + 8 + len(name) + 4


def _tensor(data: bytes, name: str) -> int:
    """Where a tensor's number of dimensions stands."""
    return data.index(struct.pack("<Q", len(name)) + name.encode()) + 8 + len(name)


MUTATIONS: dict[str, Callable[[bytes], tuple[int, bytes]]] = {
    "magic": lambda d: (0, b"GGUX"),
    "version 1": lambda d: (4, _number("I", 1)),
    "version 4": lambda d: (4, _number("I", 4)),
    "big endian": lambda d: (4, struct.pack(">I", 3)),
    "many tensors": lambda d: (8, _number("Q", 2**63)),
    "one tensor more": lambda d: (8, _number("Q", 21)),
    "one tensor less": lambda d: (8, _number("Q", 19)),
    "many fields": lambda d: (16, _number("Q", 2**40)),
    "one field more": lambda d: (16, _number("Q", 99)),
    "endless first name": lambda d: (24, _number("Q", 2**62)),
    "empty first name": lambda d: (24, _number("Q", 0)),
    "field type 77": lambda d: (_field(d, "llama.block_count") - 4, _number("I", 77)),
    "layers 0": lambda d: (_field(d, "llama.block_count"), _number("I", 0)),
    "layers 3": lambda d: (_field(d, "llama.block_count"), _number("I", 3)),
    "layers 2^32 - 1": lambda d: (_field(d, "llama.block_count"), _number("I", 2**32 - 1)),
    "layers are a float": lambda d: (_field(d, "llama.block_count") - 4, _number("I", 6)),
    "width 65": lambda d: (_field(d, "llama.embedding_length"), _number("I", 65)),
    "heads 0": lambda d: (_field(d, "llama.attention.head_count"), _number("I", 0)),
    "heads 3": lambda d: (_field(d, "llama.attention.head_count"), _number("I", 3)),
    "shared heads 3": lambda d: (_field(d, "llama.attention.head_count_kv"), _number("I", 3)),
    "context 0": lambda d: (_field(d, "llama.context_length"), _number("I", 0)),
    "base NaN": lambda d: (_field(d, "llama.rope.freq_base"), struct.pack("<f", float("nan"))),
    "epsilon negative": lambda d: (_field(d, "llama.attention.layer_norm_rms_epsilon"), struct.pack("<f", -1.0)),
    "architecture no UTF-8": lambda d: (_field(d, "general.architecture") + 8, b"\xff\xfe\xff\xfe\xff"),
    "tokens of a strange type": lambda d: (_field(d, "tokenizer.ggml.tokens"), _number("I", 55)),
    "tokens in lists of lists": lambda d: (_field(d, "tokenizer.ggml.tokens"), _number("I", 9)),
    "endless tokens": lambda d: (_field(d, "tokenizer.ggml.tokens") + 4, _number("Q", 2**60)),
    "ten million tokens": lambda d: (_field(d, "tokenizer.ggml.tokens") + 4, _number("Q", 10**7)),
    "one token more": lambda d: (_field(d, "tokenizer.ggml.tokens") + 4, _number("Q", 301)),
    "a token of 2^50 bytes": lambda d: (_field(d, "tokenizer.ggml.tokens") + 12, _number("Q", 2**50)),
    "tensor of 0 dimensions": lambda d: (_tensor(d, "blk.0.attn_q.weight"), _number("I", 0)),
    "tensor of 9 dimensions": lambda d: (_tensor(d, "blk.0.attn_q.weight"), _number("I", 9)),
    "tensor with a side 0": lambda d: (_tensor(d, "blk.0.attn_q.weight") + 4, _number("Q", 0)),
    "tensor with a side 2^60": lambda d: (_tensor(d, "blk.0.attn_q.weight") + 4, _number("Q", 2**60)),
    "tensor with a smaller side": lambda d: (_tensor(d, "blk.0.attn_q.weight") + 12, _number("Q", 32)),
    "tensor with half a block": lambda d: (_tensor(d, "blk.0.attn_q.weight") + 4, _number("Q", 48)),
    "tensor of type 200": lambda d: (_tensor(d, "blk.0.attn_q.weight") + 20, _number("I", 200)),
    "tensor of another type": lambda d: (_tensor(d, "blk.0.attn_q.weight") + 20, _number("I", 0)),
    "tensor beyond the end": lambda d: (_tensor(d, "blk.0.attn_q.weight") + 24, _number("Q", 2**40)),
    "tensor unaligned": lambda d: (_tensor(d, "blk.0.attn_q.weight") + 24, _number("Q", 3)),
    "tensor upon another": lambda d: (_tensor(d, "blk.0.attn_q.weight") + 24, _number("Q", 0)),
    "tensor of another name": lambda d: (_tensor(d, "blk.0.attn_q.weight") - 6, b"xxxxxx"),
    "tensor of the same name": lambda d: (_tensor(d, "blk.1.attn_q.weight") - 19, b"blk.0.attn_q.weight"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutated_files_are_refused(tiny: Path, tmp_path: Path, name: str) -> None:
    data = tiny.read_bytes()
    place, new = MUTATIONS[name](data)
    assert data[place : place + len(new)] != new
    mutated = tmp_path / "mutated.gguf"
    mutated.write_bytes(data[:place] + new + data[place + len(new) :])
    with pytest.raises(EngineError):
        inspect(mutated)
    with pytest.raises(EngineError):
        log_probabilities(mutated, [[1, 2]])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 255)), min_size=1, max_size=4))
def test_random_changes_never_end_in_another_error(tiny: Path, tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(tiny.read_bytes())
    for place, value in changes:
        data[place] = value
    changed = tmp_path / "changed.gguf"
    changed.write_bytes(data)
    with contextlib.suppress(EngineError):  # anything else fails the test
        inspect(changed)
        rewrite_q8_0(changed, tmp_path / "rewritten.gguf")
        log_probabilities(changed, [[1, 2]])


def test_a_model_that_lacks_or_adds_a_tensor_is_refused(tmp_path: Path) -> None:
    lacking = tiny_model.write(tmp_path / "lacking.gguf", drop=("blk.1.ffn_up.weight",))
    with pytest.raises(EngineError, match=r"blk\.1\.ffn_up\.weight is missing"):
        inspect(lacking)
    extra = {"blk.0.ffn_gate_inp.weight": np.zeros((4, 64), np.float32)}
    with pytest.raises(EngineError, match="ffn_gate_inp"):
        inspect(tiny_model.write(tmp_path / "extra.gguf", weights=extra))


def test_an_unknown_architecture_can_be_inspected(tmp_path: Path) -> None:
    info = inspect(tiny_model.write(tmp_path / "other.gguf", "gpt2", foreign=True))
    assert (info.architecture, info.layers) == ("gpt2", 2)


def test_rewriting_keeps_fields_and_rounds_weights_to_eight_bits(tiny: Path, tmp_path: Path) -> None:
    target = tmp_path / "q8.gguf"
    rewrite_q8_0(tiny, target)
    before, after = Container(tiny), Container(target)
    assert not is_read_rightly(before)
    assert is_read_rightly(after)
    assert inspect(target).quantisation.keys() == {"Q8_0", "F32"}
    assert before.values("") | {"general.file_type": 7} == after.values("")
    assert [t.name for t in library.GGUFReader(target).tensors] == list(after.tensors)
    for name in before.tensors:
        old, new = before.floats(name), after.floats(name)
        blocks = old.reshape(-1, 32)
        # Half a step of 1/127 of the block's largest weight, and the rounding of that step to 16 bits.
        allowed = np.abs(blocks).max(1, keepdims=True) * (0.5 / 127 + 2e-3)
        assert (np.abs(new.reshape(-1, 32) - blocks) <= allowed).all()


def test_rewriting_writes_the_file_type_where_there_was_none(tmp_path: Path) -> None:
    path = tiny_model.write(tmp_path / "m.gguf", kind=Kind.F16, file_type=None)
    rewrite_q8_0(path, tmp_path / "out.gguf")
    assert Container(tmp_path / "out.gguf").value("general.file_type") == 1
    assert inspect(tmp_path / "out.gguf").quantisation == inspect(path).quantisation


def test_rows_that_are_no_multiple_of_32_become_halves(tmp_path: Path) -> None:
    weights = {f"blk.{i}.ffn_down.weight": np.full((64, 80), 0.25, np.float32) for i in range(2)}
    sides = ("ffn_gate.weight", "ffn_up.weight")
    weights |= {f"blk.{i}.{name}": np.full((80, 64), 0.5, np.float32) for i in range(2) for name in sides}
    path = tiny_model.write(tmp_path / "m.gguf", fields={"feed_forward_length": 80}, weights=weights)
    rewrite_q8_0(path, tmp_path / "out.gguf")
    assert inspect(tmp_path / "out.gguf").quantisation.keys() == {"F16", "F32"}
    assert (Container(tmp_path / "out.gguf").floats("blk.0.ffn_down.weight") == 0.25).all()


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    weights = tiny_model.weights_of("llama")["blk.0.attn_q.weight"]
    weights[3, 3] = np.nan
    path = tiny_model.write(tmp_path / "nan.gguf", weights={"blk.0.attn_q.weight": weights})
    with pytest.raises(EngineError, match="not finite"):
        rewrite_q8_0(path, tmp_path / "out.gguf")
