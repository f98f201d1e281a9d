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
from collections.abc import Mapping, Sequence
from typing import Any

import llama_cpp as lib
import numpy as np

from job import Outcome, Run, Weights

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    f"{form}, {questions} questions at a time, {'one cache' if unified else 'a cache each'}": {
        "form": form,
        "questions": questions,
        "unified": unified,
    }
    for form in ("q8_0", "bf16")
    for questions, unified in ((1, True), (1, False), (4, True), (4, False), (10, False))
}
WIDEST = 4096


class Session:
    """One model and one context. `flash` and `unified` are llama.cpp's own switches.

    Args:
        file: GGUF.
        rows: branches at most, beside as many questions.
        cells: tokens in the cache.
    """

    def __init__(self, file: str, *, rows: int, cells: int, threads: int = 2, unified: bool = True) -> None:
        lib.llama_log_set(_quiet, None)
        lib.llama_backend_init()
        self.model = lib.llama_model_load_from_file(file.encode(), lib.llama_model_default_params())
        settings = lib.llama_context_default_params()
        settings.n_ctx, settings.n_batch, settings.n_ubatch, settings.n_seq_max = cells, WIDEST, 512, rows
        settings.n_threads = settings.n_threads_batch = threads
        settings.kv_unified = unified
        self.context = lib.llama_init_from_model(self.model, settings)
        if not self.context:
            raise OSError(f"llama.cpp cannot open {file}")
        self.memory = lib.llama_get_memory(self.context)
        self.vocabulary = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.batch = lib.llama_batch_init(WIDEST, 0, 1)
        whole = (WIDEST,)
        self._tokens = np.ctypeslib.as_array(self.batch.token, whole)
        self._places = np.ctypeslib.as_array(self.batch.pos, whole)
        self._wanted = np.ctypeslib.as_array(self.batch.logits, whole)
        np.ctypeslib.as_array(self.batch.n_seq_id, whole)[:] = 1

    def decode(self, tokens: Any, places: Any, sequences: Any, wanted: Any) -> np.ndarray:
        """Logits of the wanted tokens, a view that lasts until the next call."""
        count = len(tokens)
        self.batch.n_tokens = count
        self._tokens[:count], self._places[:count], self._wanted[:count] = tokens, places, wanted
        for row, sequence in enumerate(sequences):
            self.batch.seq_id[row][0] = sequence
        if lib.llama_decode(self.context, self.batch):
            raise OSError("llama.cpp could not decode the batch")
        rows = int(np.sum(wanted))
        return np.ctypeslib.as_array(lib.llama_get_logits(self.context), (rows, self.vocabulary))

    def clear(self) -> None:
        lib.llama_memory_clear(self.memory, False)

    def close(self) -> None:
        lib.llama_batch_free(self.batch)
        lib.llama_free(self.context)
        lib.llama_model_free(self.model)


@lib.llama_log_callback
def _quiet(level: int, text: bytes, data: Any) -> None:
    """llama.cpp's own messages are dropped; its failures come back as return values."""


def make(weights: Weights, *, form: str, questions: int, unified: bool, k: int, limit: int, longest: int) -> Run:
    file = weights.q8_0() if form == "q8_0" else weights.bf16()
    rows = questions * k
    cells = questions * longest + rows * limit if unified else rows * (longest + limit)
    session = Session(str(file), rows=rows, cells=cells + 64 * rows, unified=unified)
    ends = weights.tokenizer.end

    def run(prompts: Sequence[Sequence[int]], k: int, limit: int) -> Outcome:
        paths: list[list[list[int]]] = []
        reading = 0.0
        for start in range(0, len(prompts), questions):
            part = prompts[start : start + questions]
            begun = time.perf_counter()
            session.clear()
            tokens = [token for prompt in part for token in prompt]
            logits = session.decode(
                tokens,
                [place for prompt in part for place in range(len(prompt))],
                [i * k for i, prompt in enumerate(part) for _ in prompt],
                [place == len(prompt) - 1 for prompt in part for place in range(len(prompt))],
            )
            first = np.argsort(-logits, axis=1)[:, :k]
            reading += time.perf_counter() - begun
            for i in range(len(part)):
                for branch in range(1, k):
                    lib.llama_memory_seq_cp(session.memory, i * k, i * k + branch, -1, -1)
            begins = np.repeat([len(prompt) for prompt in part], k)
            found = _branches(session, first.reshape(-1), begins=begins, limit=limit, ends=ends)
            paths += [found[i * k : i * k + k] for i in range(len(part))]
        return Outcome(paths, sum(map(len, prompts)), reading)

    run.close = session.close  # type: ignore[attr-defined]
    return run


def _branches(
    session: Session, tokens: np.ndarray, *, begins: np.ndarray, limit: int, ends: frozenset[int]
) -> list[list[int]]:
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
