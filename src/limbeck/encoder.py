"""Texts to unit vectors: a small sentence encoder (ONNX, run by OpenVINO on the CPU), with every vector kept on disk.

Knows nothing of items, tasks, votes, or of where the encoder's files come from.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import openvino as ov
from tokenizers import Tokenizer

from limbeck.errors import AssetError

Vectors = npt.NDArray[np.float32]
_Result = TypeVar("_Result")

MAX_TOKENS = 256
MAX_CHARACTERS = 20_000  # far more than 256 tokens need; keeps a text of megabytes from being tokenised whole
BATCH_TOKENS = 1024  # padded tokens of one batch: measured best on two cores among 512 … 4096
COMMIT_TEXTS = 1024  # at most this many texts are encoded again after a kill
KEYS_PER_QUERY = 2000
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum INTEGER NOT NULL)",
    "SELECT key, vector, checksum FROM vectors LIMIT 0",  # fails on a foreign table of the same name
)


class Encoder:
    """Sentences to unit vectors by mean pooling (Reimers & Gurevych 2019).

    Args:
        folder: holds `tokenizer.json` and `onnx/model.onnx` with its external data.
        identity: name and checksum of the encoder; vectors of different identities never mix in a cache.
        threads: CPU threads; None = all.
        cache: folder for the vectors; None = nothing is kept.

    Raises:
        AssetError: when files are missing, damaged or of another kind, or the cache folder cannot be written.
    """

    def __init__(self, folder: Path, *, identity: str, threads: int | None = None, cache: Path | None = None) -> None:
        self.identity = identity
        self._threads = threads
        self._tokenizer = _read_tokenizer(folder / "tokenizer.json")
        self._model = _read_model(folder / "onnx" / "model.onnx")
        self._inputs = [port.get_any_name() for port in self._model.inputs]
        self._cache = None if cache is None else _Cache(cache)

    @property
    def width(self) -> int:
        """Number of dimensions of a vector."""
        return int(self._model.outputs[0].partial_shape[-1].get_length())

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts, shape [texts, width].

        What is beyond 256 tokens or 20,000 characters does not count. A text's vector depends on the other texts of the
        call by rounding only (about 3e-7); continued after a kill, the same call gives the same bits again.
        """
        clean = [text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8") for text in texts]
        keys = [_key(self.identity, text) for text in clean]
        known = {} if self._cache is None else self._cache.read(list(dict.fromkeys(keys)), self.width)
        missing = {key: text for key, text in zip(keys, clean, strict=True) if key not in known}
        fresh: dict[bytes, Vectors] = {}
        for batch in self._batches(missing):
            fresh.update(self._run(batch))
            if len(fresh) >= COMMIT_TEXTS:
                known.update(self._keep(fresh))
                fresh = {}
        known.update(self._keep(fresh))
        result = np.empty((len(keys), self.width), dtype=np.float32)
        for row, key in enumerate(keys):
            result[row] = known[key]
        return result

    def _keep(self, fresh: dict[bytes, Vectors]) -> dict[bytes, Vectors]:
        if self._cache is not None and fresh:
            self._cache.write(fresh)
        return fresh

    def _batches(self, texts: dict[bytes, str]) -> Iterator[dict[bytes, list[int]]]:
        """Batches of token ids, shortest texts first, each at most BATCH_TOKENS when padded.

        Growing from the short end, the batches left after a kill are the ones that an unbroken call would make.
        """
        tokens: dict[bytes, npt.NDArray[np.int32]] = {}
        keys = list(texts)
        for start in range(0, len(keys), COMMIT_TEXTS):  # in slices: an Encoding object is many times its ids
            part = keys[start : start + COMMIT_TEXTS]
            found = self._tokenizer.encode_batch_fast([texts[key] for key in part])
            tokens.update({key: np.array(one.ids, dtype=np.int32) for key, one in zip(part, found, strict=True)})
        batch: dict[bytes, list[int]] = {}
        for key in sorted(keys, key=lambda key: len(tokens[key])):
            if batch and (len(batch) + 1) * len(tokens[key]) > BATCH_TOKENS:
                yield batch
                batch = {}
            batch[key] = tokens[key].tolist()
        if batch:
            yield batch

    def _run(self, batch: dict[bytes, list[int]]) -> dict[bytes, Vectors]:
        shape = (len(batch), max(len(ids) for ids in batch.values()))
        feed = {name: np.zeros(shape, dtype=np.int64) for name in self._inputs}
        for row, ids in enumerate(batch.values()):
            feed["input_ids"][row, : len(ids)] = ids
            feed["attention_mask"][row, : len(ids)] = 1
        hidden = self._request.infer(feed, share_inputs=True, share_outputs=True)[0]
        weights = feed["attention_mask"].astype(np.float32)[:, None, :]
        sums = np.matmul(weights, hidden)[:, 0]  # the mean's divisor goes with the norm
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        if not (np.isfinite(norms).all() and (norms > 0).all()):
            raise AssetError(
                f"the encoder {self.identity} gives vectors without a finite, positive length",
                hint="Its files are damaged: fetch the encoder again.",
            )
        return dict(zip(batch, sums / norms, strict=True))

    @cached_property
    def _request(self) -> Any:
        """Compiled at the first text that is not in the cache; bfloat16 is refused, as it moves vectors by 1e-2."""
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if self._threads is not None:
            options["INFERENCE_NUM_THREADS"] = self._threads
        try:
            return ov.Core().compile_model(self._model, "CPU", options).create_infer_request()
        except RuntimeError as error:
            raise AssetError(f"cannot compile the encoder {self.identity}: {_first_line(error)}") from error


class _Cache:
    """Vectors by key in one SQLite file. A damaged file is set aside, a damaged row ignored: both only cost time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "vectors.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._refusal(error) from error

    def read(self, keys: Sequence[bytes], width: int) -> dict[bytes, Vectors]:
        """The vectors that are there and whole."""

        def select(connection: sqlite3.Connection) -> dict[bytes, Vectors]:
            found = {}
            for start in range(0, len(keys), KEYS_PER_QUERY):
                part = keys[start : start + KEYS_PER_QUERY]
                query = f"SELECT key, vector, checksum FROM vectors WHERE key IN ({','.join('?' * len(part))})"
                for key, blob, checksum in connection.execute(query, part):
                    if isinstance(blob, bytes) and len(blob) == 4 * width and zlib.crc32(key + blob) == checksum:
                        found[key] = np.frombuffer(blob, dtype="<f4")
            return found

        return self._run(select) if keys else {}

    def write(self, vectors: dict[bytes, Vectors]) -> None:
        """Keep these vectors; in the file when this returns."""
        blobs = {key: vector.astype("<f4").tobytes() for key, vector in vectors.items()}
        rows = [(key, blob, zlib.crc32(key + blob)) for key, blob in blobs.items()]

        def insert(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

        self._run(insert)

    def _run(self, action: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Do it in one transaction; set a damaged file aside and do it once more on a new one."""
        try:
            return self._once(action)
        except sqlite3.DatabaseError as error:
            if _sqlite_code(error) not in DAMAGED:
                raise self._refusal(error) from error
        try:
            self._path.replace(self._path.with_name("vectors.damaged"))
            self._path.with_name("vectors.sqlite-journal").unlink(missing_ok=True)
            return self._once(action)
        except (OSError, sqlite3.DatabaseError) as error:
            raise self._refusal(error) from error

    def _once(self, action: Callable[[sqlite3.Connection], _Result]) -> _Result:
        with closing(sqlite3.connect(self._path, timeout=60.0)) as connection, connection:
            for statement in SCHEMA:
                connection.execute(statement)
            return action(connection)

    def _refusal(self, error: Exception) -> AssetError:
        return AssetError(
            f"cannot use the encoder's cache {self._path}: {_first_line(error)}",
            hint="Free some space, close what holds the file, or choose another cache folder.",
        )


def _key(identity: str, text: str) -> bytes:
    return hashlib.blake2b(f"{identity}\0{text}".encode(), digest_size=16).digest()


def _sqlite_code(error: sqlite3.Error) -> int:
    """The primary result code; the extended ones hold it in their low byte."""
    return error.sqlite_errorcode & 0xFF


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _read_tokenizer(path: Path) -> Tokenizer:
    if not path.is_file():
        raise _missing(path)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises the bare Exception for every fault of the file
        raise AssetError(f"{path} is not a tokenizer: {_first_line(error)}", hint="Fetch the encoder again.") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _read_model(path: Path) -> Any:
    if not path.is_file():
        raise _missing(path)
    try:
        model = ov.Core().read_model(path)
    except RuntimeError as error:
        raise AssetError(f"{path} is not a model: {_first_line(error)}", hint="Fetch the encoder again.") from error
    names = {port.get_any_name() for port in model.inputs}
    shape = model.outputs[0].partial_shape
    if not {"input_ids", "attention_mask"} <= names <= {"input_ids", "attention_mask", "token_type_ids"}:
        raise AssetError(f"{path} takes {sorted(names)}: not a sentence encoder")
    if shape.rank.is_dynamic or shape.rank.get_length() != 3 or shape[-1].is_dynamic:
        raise AssetError(f"{path} gives {shape}: one vector per token is expected")
    return model


def _missing(path: Path) -> AssetError:
    return AssetError(f"{path} is missing", hint="Fetch the encoder again.")
