"""The job on llama-cpp-python, at the level of its C interface.

Each question is read once, and `llama_memory_seq_cp` gives each of its k branches the cache: without copying a number
where all share one cache, by a copy where each has a cache of its own. Several questions' branches make one batch; a
path that has ended leaves it. Only last tokens are projected, logits are read in place, and the batch is filled through
NumPy views.
Compile the package for this very processor, or the contest is not fair:
CMAKE_ARGS="-DGGML_NATIVE=ON" pip install --no-binary llama-cpp-python llama-cpp-python
Knows nothing of limbeck's engine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import llama_cpp as lib
import numpy as np
import numpy.typing as npt

from limbeck.bench.base import Opener, Outcome, Prompt, Run, Shape, outcome
from limbeck.bench.weights import Weights
from limbeck.errors import EngineError

WIDEST = 4096


def variants(weights: Weights, shape: Shape) -> Mapping[str, Opener]:
    """Two formats of the weights, one question or several at a time, one cache for all branches or one for each."""
    return {
        f"{form}, {questions} questions at a time, {'one cache' if unified else 'a cache each'}": partial(
            opened, weights, shape, form=form, questions=questions, unified=unified
        )
        for form in ("q8_0", "bf16")
        for questions, unified in ((1, True), (1, False), (4, True), (4, False), (10, False))
        if questions == 1 or questions * max(shape.k, shape.longest) <= WIDEST
    }


def bf16(weights: Weights) -> Path:
    """The Q8_0 file once more, its matrices in bfloat16 (written by llama.cpp itself)."""

    def write(target: Path) -> None:
        params = lib.llama_model_quantize_default_params()
        params.ftype, params.allow_requantize = lib.LLAMA_FTYPE_MOSTLY_BF16, True
        if lib.llama_model_quantize(str(weights.q8_0()).encode(), str(target).encode(), params):
            raise EngineError(f"llama.cpp could not write {target.name}")

    return weights.form("model-bf16.gguf", write)


class Session:
    """One model and one context.

    Args:
        file: GGUF.
        rows: branches at most.
        cells: tokens in the cache.
        threads: threads to use.
        unified: whether all branches share one cache.

    Raises:
        EngineError: when llama.cpp cannot open the file.
    """

    def __init__(self, file: Path, *, rows: int, cells: int, threads: int, unified: bool) -> None:
        lib.llama_log_set(_SILENT, None)
        lib.llama_backend_init()
        self.model = lib.llama_model_load_from_file(str(file).encode(), lib.llama_model_default_params())
        if not self.model:
            raise EngineError(f"llama.cpp cannot open {file.name}")
        settings = lib.llama_context_default_params()
        settings.n_ctx, settings.n_batch, settings.n_ubatch, settings.n_seq_max = cells, WIDEST, 512, rows
        settings.n_threads = settings.n_threads_batch = threads
        settings.kv_unified = unified
        self.context = lib.llama_init_from_model(self.model, settings)
        if not self.context:
            raise EngineError(f"llama.cpp has no room for {rows} branches of {file.name}")
        self.memory = lib.llama_get_memory(self.context)
        self.vocabulary = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.batch = lib.llama_batch_init(WIDEST, 0, 1)
        whole = (WIDEST,)
        self._tokens = np.ctypeslib.as_array(self.batch.token, whole)
        self._places = np.ctypeslib.as_array(self.batch.pos, whole)
        self._wanted = np.ctypeslib.as_array(self.batch.logits, whole)
        np.ctypeslib.as_array(self.batch.n_seq_id, whole)[:] = 1

    def decode(self, tokens: Any, places: Any, sequences: Any, wanted: Any) -> npt.NDArray[np.float32]:
        """Logits of the wanted tokens, a view that lasts until the next call."""
        count = len(tokens)
        self.batch.n_tokens = count
        self._tokens[:count], self._places[:count], self._wanted[:count] = tokens, places, wanted
        for row, sequence in enumerate(sequences):
            self.batch.seq_id[row][0] = sequence
        if lib.llama_decode(self.context, self.batch):
            raise EngineError("llama.cpp could not decode the batch")
        rows = int(np.sum(wanted))
        return np.ctypeslib.as_array(lib.llama_get_logits(self.context), (rows, self.vocabulary))

    def clear(self) -> None:
        """Forget everything that was read."""
        lib.llama_memory_clear(self.memory, False)

    def close(self) -> None:
        """Give back the model and the context."""
        lib.llama_batch_free(self.batch)
        lib.llama_free(self.context)
        lib.llama_model_free(self.model)


def _quiet(level: int, text: bytes, data: Any) -> None:
    """llama.cpp's own messages are dropped; its failures come back as return values."""


_SILENT = lib.llama_log_callback(_quiet)


@contextmanager
def opened(weights: Weights, shape: Shape, *, form: str, questions: int, unified: bool) -> Iterator[Run]:
    """One variant."""
    file = weights.q8_0() if form == "q8_0" else bf16(weights)
    rows = questions * shape.k
    cells = questions * shape.longest + rows * shape.limit if unified else rows * (shape.longest + shape.limit)
    session = Session(file, rows=rows, cells=cells + 64 * rows, threads=shape.threads, unified=unified)

    def run(prompts: Sequence[Prompt], k: int, limit: int) -> Outcome:
        paths: list[list[list[int]]] = []
        reading = 0.0
        for start in range(0, len(prompts), questions):
            part = [prompt.tokens for prompt in prompts[start : start + questions]]
            begun = time.perf_counter()
            logits = _read(session, part, k)
            first = np.argsort(-logits, axis=1)[:, :k]
            reading += time.perf_counter() - begun
            for i in range(len(part)):
                for branch in range(1, k):
                    lib.llama_memory_seq_cp(session.memory, i * k, i * k + branch, -1, -1)
            begins = np.repeat([len(prompt) for prompt in part], k)
            ends = weights.tokenizer.end
            found = _branches(session, first.reshape(-1), begins=begins, limit=limit, ends=ends)
            paths += [found[i * k : i * k + k] for i in range(len(part))]
        read = sum(len(prompt.tokens) for prompt in prompts)
        return outcome(paths, weights.tokenizer, read=read, reading=reading)

    try:
        yield run
    finally:
        session.close()


def _read(session: Session, prompts: Sequence[Sequence[int]], k: int) -> npt.NDArray[np.float32]:
    """Logits after each prompt, which becomes the sequence of its first branch."""
    session.clear()
    return session.decode(
        [token for prompt in prompts for token in prompt],
        [place for prompt in prompts for place in range(len(prompt))],
        [i * k for i, prompt in enumerate(prompts) for _ in prompt],
        [place == len(prompt) - 1 for prompt in prompts for place in range(len(prompt))],
    )


def _branches(session: Session, tokens: Any, *, begins: Any, limit: int, ends: frozenset[int]) -> list[list[int]]:
    """Greedy paths from these first tokens, one sequence each."""
    paths: list[list[int]] = [[] for _ in tokens]
    alive = np.arange(len(tokens))
    while True:
        going = []
        for row, (path, token) in enumerate(zip(alive.tolist(), tokens.tolist(), strict=True)):
            if token not in ends:
                paths[path].append(token)
                if len(paths[path]) < limit:
                    going.append(row)
        if not going:
            return paths
        alive, tokens = alive[going], tokens[going]
        places = begins[alive] + [len(paths[path]) - 1 for path in alive]
        tokens = session.decode(tokens, places, alive.tolist(), np.ones(len(alive), np.int8)).argmax(1)
