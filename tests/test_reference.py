"""The NumPy reference against truths worked out by hand, and what it says of conversions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny_model
from limbeck.engines import reference
from limbeck.engines.base import Floats
from limbeck.engines.container import Container
from limbeck.engines.gguf import Check, convert, converted, inspect
from limbeck.engines.openvino import OpenVinoEngine
from limbeck.engines.reference import BATCH, LIMIT, Agreement, Rows, check, log_probabilities
from limbeck.engines.tokens import ByteTokenizer
from limbeck.errors import EngineError


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(-1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


def _silenced() -> dict[str, Floats]:
    """Weights of layers that add nothing to the stream."""
    weights: dict[str, Floats] = tiny_model.weights_of("llama")
    return {name: np.zeros_like(w) for name, w in weights.items() if "attn_output" in name or "ffn_down" in name}


def test_layers_that_add_nothing_leave_the_normed_embedding(tmp_path: Path) -> None:
    path = tiny_model.write(tmp_path / "m.gguf", weights=_silenced())
    weights = tiny_model.weights_of("llama")
    embedding = weights["token_embd.weight"]
    row = embedding[42]
    normed = row / np.sqrt((row**2).mean() + 1e-5) * weights["output_norm.weight"]
    found = log_probabilities(path, [[7, 42]])
    np.testing.assert_allclose(found[0], _log_softmax(embedding @ normed), atol=1e-4)


def test_an_output_matrix_of_its_own_replaces_the_tied_one(tmp_path: Path) -> None:
    flat = {"output.weight": np.zeros((300, 64), np.float32)}
    found = log_probabilities(tiny_model.write(tmp_path / "m.gguf", weights=flat), [[7, 42]])
    np.testing.assert_allclose(found, np.full((1, 300), -np.log(300)), atol=1e-6)


def test_one_token_attends_to_itself_alone(tmp_path: Path) -> None:
    """With one token attention gives its value, whatever queries and keys are."""
    weights = _silenced()
    own = tiny_model.weights_of("llama")
    name = "blk.0.attn_output.weight"
    path = tiny_model.write(tmp_path / "m.gguf", weights={k: w for k, w in weights.items() if k != name})
    row = own["token_embd.weight"][42]
    normed = row / np.sqrt((row**2).mean() + 1e-5) * own["blk.0.attn_norm.weight"]
    values = np.repeat((own["blk.0.attn_v.weight"] @ normed).reshape(2, 16), 2, axis=0)  # heads 0, 1 share the first
    stream = row + own[name] @ values.reshape(-1)
    final = stream / np.sqrt((stream**2).mean() + 1e-5) * own["output_norm.weight"]
    np.testing.assert_allclose(
        log_probabilities(path, [[42]])[0], _log_softmax(own["token_embd.weight"] @ final), atol=1e-4
    )


@pytest.mark.parametrize("paired", [True, False])
def test_rotation_depends_on_the_distance_only(paired: bool) -> None:
    rng = np.random.default_rng(3)
    q, k = (np.repeat(rng.standard_normal((1, 1, 16)).astype(np.float32), 12, axis=0) for _ in range(2))
    angles = np.outer(np.arange(12), 100.0 ** (-np.arange(0, 16, 2) / 16)).astype(np.float32)
    turned_q, turned_k = (reference._rotate(side, angles, paired=paired)[:, 0] for side in (q, k))
    scores = turned_q @ turned_k.T
    for distance in range(8):
        line = np.diagonal(scores, -distance)
        np.testing.assert_allclose(line, line[0], atol=1e-4)
    assert abs(scores[5, 0] - scores[0, 0]) > 0.1
    np.testing.assert_allclose(scores[0, 0], q[0, 0] @ k[0, 0], atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=5))
def test_rows_are_scored_alike_together_and_alone(tiny: Path, rows: list[list[int]]) -> None:
    together = log_probabilities(tiny, rows)
    alone = np.concatenate([log_probabilities(tiny, [row]) for row in rows])
    np.testing.assert_allclose(together, alone, atol=2e-3)
    np.testing.assert_allclose(np.exp(together).sum(1), 1, atol=1e-4)


@pytest.mark.parametrize("row", [[], [300], [-1]])
def test_rows_without_meaning_are_refused(tiny: Path, row: list[int]) -> None:
    with pytest.raises(EngineError):
        log_probabilities(tiny, [[1], row])


def _bytes(text: str) -> list[int]:
    return list(text.encode())


def test_a_model_agrees_with_itself_and_not_with_chance(tiny: Path) -> None:
    own = check(tiny, _bytes, lambda rows: log_probabilities(tiny, rows))
    assert own.positions == 3 * len(reference.TEXTS) + 2
    assert abs(own.mean) < 1e-4
    with pytest.raises(EngineError, match="nats per token"):
        check(tiny, _bytes, lambda rows: np.zeros((len(rows), 300), np.float32))
    with pytest.raises(EngineError, match="not numbers"):
        check(tiny, _bytes, lambda rows: np.full((len(rows), 300), np.nan, np.float32))
    with pytest.raises(EngineError, match="shape"):
        check(tiny, _bytes, lambda rows: np.zeros((len(rows), 299), np.float32))


def test_the_divergence_worked_out_by_hand(tmp_path: Path) -> None:
    """The source is uniform over 300 tokens; the other gives one token the logit ln 2: KL = ln(301/300) − ln(2)/300."""
    flat = {"output.weight": np.zeros((300, 64), np.float32)}
    path = tiny_model.write(tmp_path / "m.gguf", weights=flat)
    logits = np.zeros(300, np.float32)
    logits[5] = np.log(2)
    found = check(path, _bytes, lambda rows: np.tile(logits, (len(rows), 1)))
    assert found.mean == pytest.approx(np.log(301 / 300) - np.log(2) / 300, rel=1e-3)
    assert found.worst == pytest.approx(found.mean, rel=1e-3)


def _check(source: Path) -> Check:
    """Compare a conversion of the source by running it."""
    info, tokenizer = inspect(source), ByteTokenizer(Container(source).values("tokenizer."))

    def compare(folder: Path) -> Agreement:
        engine = OpenVinoEngine(folder, tokenizer, context=info.context, source="", threads=2)

        def score(rows: Rows) -> Floats:
            assert len(rows) <= BATCH
            engine.reset()
            return engine.extend(rows, [0] * len(rows))

        return check(source, tokenizer.encode, score)

    return compare


@pytest.mark.parametrize(
    ("architecture", "kind", "most"),
    [("llama", Kind.Q4_1, LIMIT), ("qwen2", Kind.F16, 1e-3), ("qwen3", Kind.F16, 1e-3)],
)
def test_every_known_architecture_is_converted_rightly(
    tmp_path: Path, architecture: str, kind: Kind, most: float
) -> None:
    """OpenVINO's own implementation and the reference know nothing of each other and agree."""
    source = tiny_model.write(tmp_path / "m.gguf", architecture, kind=kind)
    folder = converted(source, tmp_path / "cache", check=_check(source))
    told = json.loads((folder / "conversion.json").read_text())
    assert folder.name == told["source"]["sha256"]
    assert 0 <= told["agreement"]["mean"] <= most
    assert {path.name for path in folder.iterdir()} == {"openvino_model.xml", "openvino_model.bin", "conversion.json"}

    def never(folder: Path) -> Agreement:
        raise AssertionError("converted twice")

    assert converted(source, tmp_path / "cache", check=never) == folder
    with (folder / "openvino_model.bin").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(AssertionError, match="converted twice"):
        converted(source, tmp_path / "cache", check=never)


def test_a_quantisation_that_the_reader_misreads_is_found_out(tmp_path: Path) -> None:
    source = tiny_model.write(tmp_path / "m.gguf", kind=Kind.Q4_1, file_type=3)
    command = [sys.executable, "-P", "-m", "limbeck.engines.converter", str(source), "0"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    with pytest.raises(EngineError, match="nats per token"):
        _check(source)(tmp_path)


def test_a_conversion_that_fails_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    without_tokens = tiny_model.write(tmp_path / "m.gguf", kind=Kind.F16, tokenizer=False)
    with pytest.raises(EngineError, match="cannot be converted"):
        convert(without_tokens, folder, check=lambda _: Agreement(0.0, 0.0, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["m.gguf"]


def test_the_converter_dies_alone_when_memory_runs_out(tiny: Path) -> None:
    command = [sys.executable, "-P", "-m", "limbeck.engines.converter", str(tiny), str(200 << 20)]
    done = subprocess.run(command, check=False, capture_output=True)
    assert done.returncode != 0
    assert not (tiny.parent / "openvino_model.xml").exists()


def test_what_cannot_be_converted_is_refused_at_once(tmp_path: Path) -> None:
    foreign = tiny_model.write(tmp_path / "gpt2.gguf", "gpt2", foreign=True)
    factors = {"rope_freqs.weight": np.linspace(1, 8, 8).astype(np.float32)}
    scaled = tiny_model.write(tmp_path / "scaled.gguf", weights=factors)
    for source, word in ((foreign, "architecture 'gpt2'"), (scaled, "rope_freqs")):
        with pytest.raises(EngineError, match=word):
            convert(source, tmp_path / "out", check=lambda _: Agreement(0.0, 0.0, 1))


@pytest.mark.model
def test_the_real_model_is_converted_rightly(smollm2_gguf: Path, tmp_path: Path) -> None:
    folder = converted(smollm2_gguf, tmp_path, check=_check(smollm2_gguf))
    told = json.loads((folder / "conversion.json").read_text())
    assert told["agreement"]["mean"] < 0.02  # 0.006 when measured
