"""Vectors of texts: truth by hand on a toy encoder, a damaged cache, no network, the real encoder."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from limbeck import encoder as module
from limbeck.encoder import Encoder, Vectors
from limbeck.errors import AssetError
from toy_encoder import TABLE, write_toy_encoder


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return write_toy_encoder(tmp_path / "toy")


def unit(*numbers: float) -> Vectors:
    vector = np.array(numbers, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def test_vectors_are_the_normalised_mean_of_the_tokens(toy: Path) -> None:
    vectors = Encoder(toy, identity="toy").encode(["red red blue", "good", "", "red zebra"])
    expected = [unit(1, 2, 1, 0, 0), unit(1, 0, 0, 1, 0), unit(1, 0, 0, 0, 0), unit(2, 2, 1, 1, 1)]
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_order_repeats_and_nothing(toy: Path) -> None:
    encoder = Encoder(toy, identity="toy")
    assert encoder.encode([]).shape == (0, encoder.width) == (0, 5)
    mixed = encoder.encode(["bad", "red red red red", "bad", "blue good"])
    np.testing.assert_array_equal(mixed[0], mixed[2])
    np.testing.assert_allclose(mixed[3], unit(1, 0, 1, 1, 0), atol=1e-6)


def test_tokens_beyond_the_limit_do_not_count(toy: Path) -> None:
    encoder = Encoder(toy, identity="toy")
    inside = "red " * (module.MAX_TOKENS - 2)  # one more is the start token
    just, over, far = encoder.encode([inside + "blue", inside + "red blue", inside + "red " * 10**6 + "blue"])
    assert just[2] > 0
    assert over[2] == 0
    np.testing.assert_array_equal(over, far)


def test_hostile_texts_have_vectors(toy: Path) -> None:
    texts = ["\ud800", "\0\0", "x" * 10**6, "\u202ered", "🙂", "[CLS] <|endoftext|>", "\r\n\t"]
    vectors = Encoder(toy, identity="toy").encode(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


def test_many_batches_equal_one_by_one(toy: Path) -> None:
    rng = np.random.default_rng(0)
    words = np.array(["red", "blue", "good", "bad"])
    texts = [" ".join(rng.choice(words, size=size)) for size in rng.integers(1, 200, size=120)]
    encoder = Encoder(toy, identity="toy")
    singles = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(encoder.encode(texts), singles, atol=1e-6)


def kept(cache: Path) -> int:
    connection = sqlite3.connect(cache / "vectors.sqlite")
    try:
        return int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])
    finally:
        connection.close()


def test_the_cache_answers_without_the_model(toy: Path, tmp_path: Path) -> None:
    cache = tmp_path / "a" / "cache"
    texts = ["red", "blue", "red good"]
    first = Encoder(toy, identity="toy", cache=cache).encode([*texts, "red"])
    assert kept(cache) == 3
    wrong = write_toy_encoder(tmp_path / "wrong", table=tuple(row[::-1] for row in TABLE))
    np.testing.assert_array_equal(Encoder(wrong, identity="toy", cache=cache).encode(texts), first[:3])
    other = Encoder(wrong, identity="another", cache=cache).encode(texts)
    np.testing.assert_allclose(other[0], unit(0, 0, 0, 1, 1), atol=1e-6)
    assert kept(cache) == 6


@pytest.mark.parametrize("damage", ["truncate", "garbage", "empty", "foreign"])
def test_a_damaged_cache_is_set_aside_and_rebuilt(toy: Path, tmp_path: Path, damage: str) -> None:
    texts = [f"{'red ' * count}blue" for count in range(150)]
    first = Encoder(toy, identity="toy", cache=tmp_path).encode(texts)
    path = tmp_path / "vectors.sqlite"
    whole = path.read_bytes()
    if damage == "foreign":
        path.unlink()
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE vectors (name TEXT)")
        connection.close()
    else:
        path.write_bytes({"truncate": whole[: len(whole) // 3], "garbage": b"no database " * 99, "empty": b""}[damage])
    np.testing.assert_allclose(Encoder(toy, identity="toy", cache=tmp_path).encode(texts), first, atol=1e-6)
    assert kept(tmp_path) == len(texts)


def test_flipped_bits_are_never_trusted(toy: Path, tmp_path: Path) -> None:
    texts = [f"{'red ' * count}blue" for count in range(60)]
    first = Encoder(toy, identity="toy", cache=tmp_path).encode(texts)
    path = tmp_path / "vectors.sqlite"
    rng = np.random.default_rng(1)
    for _ in range(30):
        content = bytearray(path.read_bytes())
        content[rng.integers(100, len(content))] ^= 1 << int(rng.integers(8))  # byte 99 on: past the fixed header
        path.write_bytes(content)
        again = Encoder(toy, identity="toy", cache=tmp_path).encode(texts)
        np.testing.assert_allclose(again, first, atol=1e-6)


def test_a_cache_that_cannot_be_written_is_an_error(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(AssetError, match="cache"):
        Encoder(toy, identity="toy", cache=tmp_path / "file")
    (tmp_path / "taken" / "vectors.sqlite").mkdir(parents=True)
    with pytest.raises(AssetError, match="cache"):
        Encoder(toy, identity="toy", cache=tmp_path / "taken").encode(["red"])


MORTAL_RUN = """
import os, signal, sys
from pathlib import Path
from limbeck import encoder
folder, cache, output, deadline = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
encoder.COMMIT_TEXTS = 16
write, commits = encoder._Cache.write, []
def write_or_die(self, vectors):
    if len(commits) == deadline:
        os.kill(os.getpid(), signal.SIGKILL)
    commits.append(len(vectors))
    write(self, vectors)
encoder._Cache.write = write_or_die
texts = [("red " * (n % 90 + 1)) + "blue " * (n % 7) + "good" * (n % 2) + f" w{n}" for n in range(400)]
output.write_bytes(encoder.Encoder(folder, identity="toy", cache=cache, threads=1).encode(texts).tobytes())
"""


def test_killed_runs_continue_to_the_same_bits(toy: Path, tmp_path: Path) -> None:
    def run(name: str, deadline: int) -> int:
        paths = (toy, tmp_path / name, tmp_path / f"{name}.bin")
        return subprocess.run([sys.executable, "-c", MORTAL_RUN, *map(str, paths), str(deadline)]).returncode

    assert run("unbroken", -1) == 0
    assert run("mortal", 5) == -signal.SIGKILL
    assert 5 * 16 <= kept(tmp_path / "mortal") < 400
    assert run("mortal", -1) == 0
    assert (tmp_path / "mortal.bin").read_bytes() == (tmp_path / "unbroken.bin").read_bytes()
    assert kept(tmp_path / "mortal") == 400


@pytest.mark.parametrize("missing", ["tokenizer.json", "onnx/model.onnx"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\x08\x07garbage"])
def test_missing_or_damaged_files_are_errors(toy: Path, missing: str, content: bytes | None) -> None:
    if content is None:
        (toy / missing).unlink()
    else:
        (toy / missing).write_bytes(content)
    with pytest.raises(AssetError, match=Path(missing).name):
        Encoder(toy, identity="toy")


@pytest.mark.parametrize("number", [0.0, float("nan"), float("inf")])
def test_vectors_without_a_length_are_refused(tmp_path: Path, number: float) -> None:
    folder = write_toy_encoder(tmp_path / "bad", table=((number,) * 5,) * 6)
    with pytest.raises(AssetError, match="finite"):
        Encoder(folder, identity="bad").encode(["red"])


SILENT_RUN = """
import socket, sys, time
calls = []
def refuse(*args, **kwargs):
    calls.append(args)
    raise OSError("no network in this test")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from pathlib import Path
from limbeck.encoder import Encoder
Encoder(Path(sys.argv[1]), identity="toy").encode(["red"])
time.sleep(0.3)
assert not calls, calls
assert "openvino.tools.ovc.telemetry_stub" in sys.modules
"""


def test_openvino_sends_nothing(toy: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    quiet_by_itself = ("CI", "TF_BUILD", "JENKINS_URL")  # openvino keeps silent where one of these is set
    environment = {name: value for name, value in os.environ.items() if name not in quiet_by_itself}
    environment |= {"HOME": str(home), "LOCALAPPDATA": str(home)}
    subprocess.run([sys.executable, "-c", SILENT_RUN, str(toy)], check=True, env=environment)
    assert list(home.iterdir()) == []


@pytest.mark.model
def test_the_real_encoder_knows_paraphrases(encoder_folder: Path) -> None:
    texts = [
        "The film was a delight from start to finish.",
        "I enjoyed every minute of this movie.",
        "How do I reset the password of my account?",
        "I have forgotten my login and cannot sign in.",
        "The recipe needs two eggs and a cup of flour.",
    ]
    vectors = Encoder(encoder_folder, identity="real").encode(texts)
    assert vectors.shape == (5, 384)
    likeness = vectors @ vectors.T
    np.testing.assert_allclose(np.diag(likeness), 1.0, atol=1e-5)
    for one, two in ((0, 1), (2, 3)):
        others = [likeness[row, other] for row in (one, two) for other in range(5) if other not in (one, two)]
        assert likeness[one, two] > max(others) + 0.15


@pytest.mark.model
def test_the_real_encoder_in_batches_equals_one_by_one(encoder_folder: Path) -> None:
    texts = [f"Sentence number {count} about " + "rain and trains " * (count % 9) for count in range(40)]
    encoder = Encoder(encoder_folder, identity="real")
    singles = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(encoder.encode(texts), singles, atol=1e-5)
    assert np.isfinite(encoder.encode(["", "\ud800", "word " * 5000])).all()
