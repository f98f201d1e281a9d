"""What a model made of a text comes with the vote that it cost nothing more to cast, and is kept with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limbeck.agent.base import packed
from limbeck.decoding.choice import Choice
from limbeck.engines.base import Seeing
from limbeck.engines.openvino import OpenVinoEngine
from limbeck.engines.scripted import Line, ScriptedEngine
from limbeck.ledger import Ledger
from limbeck.records import Vote
from toy_job import digest, execute, toy_rows, write_toy

OPTIONS = [b"yes", b"no"]


def states_of(folder: Path) -> dict[tuple[str, str], list[float]]:
    """(worker, item) → its state, as the ledger has it."""
    with Ledger.read(folder) as view:
        votes = {vote.key: vote for vote in view.votes()}
        found = dict(view.states(votes))
    return {(votes[key].worker, votes[key].item): np.frombuffer(body, "<f2").tolist() for key, body in found.items()}


def test_a_scripted_engine_shows_which_lines_apply() -> None:
    engine = ScriptedEngine([Line("good", "yes"), Line("bad", "no"), Line("", "no")])
    assert isinstance(engine, Seeing)
    engine.extend([list(b"good"), list(b"bad"), list(b"good and bad")], [0, 0, 0])
    assert engine.hidden().tolist() == [[1, 0, 1], [0, 1, 1], [1, 1, 1]]


def test_states_are_those_of_the_prompt_not_of_a_label_and_change_no_score() -> None:
    engine = ScriptedEngine([Line("good", "yes"), Line("y", "no")])
    bodies = [list(b"good:"), list(b"bad:")]
    plain = Choice([list(option) for option in OPTIONS])(engine, bodies)
    engine.reset()
    draws = Choice([list(option) for option in OPTIONS], states=True)(engine, bodies)
    assert draws == plain
    assert [draw.state for draw in plain] == [None, None]
    # The second line's "y" would apply behind "yes" only.
    assert [draw.state.tolist() for draw in draws if draw.state is not None] == [[1, 0], [0, 0]]


def test_a_state_too_large_for_float16_is_cut_and_never_infinite() -> None:
    state = packed(np.array([1.5, 1e9, -1e9], np.float32))
    assert state is not None
    assert np.frombuffer(state, "<f2").tolist() == [1.5, 65504.0, -65504.0]
    assert packed(None) is None


def test_a_run_keeps_the_states_of_all_votes_and_a_second_run_the_same_ones(tmp_path: Path) -> None:
    task = write_toy(tmp_path)
    execute(task, tmp_path / "one")
    execute(task, tmp_path / "two")
    with Ledger.read(tmp_path / "one") as view:
        texts = {item.id: item.fields["text"] for item in view.items()}
    found = states_of(tmp_path / "one")
    assert len(found) == 2 * len(toy_rows())
    for (worker, item), state in found.items():
        first, second = ("rainy", "sunny") if worker == "weather" else ("stale", "fresh")
        assert state == [first in texts[item], second in texts[item]]
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_no_state_is_kept_where_the_task_file_says_so(tmp_path: Path) -> None:
    task = write_toy(tmp_path, committee={"states": False})
    execute(task, tmp_path / "run")
    assert states_of(tmp_path / "run") == {}


def test_a_state_is_kept_or_lost_with_its_vote(tmp_path: Path) -> None:
    votes = [Vote(f"k{i}", f"i{i}", "w", "yes", state=packed([i])) for i in range(3)]
    with Ledger.open(tmp_path) as ledger:
        ledger.append(votes[:2])
        ledger.append([votes[0], votes[2]])
        assert sorted(ledger.states(["k0", "k1", "k2", "other"])) == [(v.key, v.state) for v in votes]
        # Votes are read without their states, which would be most of what is read.
        assert [vote.state for vote in ledger.votes()] == [None] * 3


@pytest.mark.model
def test_the_model_shows_what_it_projects(smollm2: OpenVinoEngine) -> None:
    rows = [smollm2.tokenizer.encode(text) for text in ("The film was", "She opened the letter, read it twice, and")]
    smollm2.reset()
    smollm2.extend(rows, [0, 0])
    together = smollm2.hidden()
    assert together.shape == (2, 576)
    smollm2.reset()
    smollm2.extend(rows[1:], [0])
    alone = smollm2.hidden()[0]
    cosine = float(alone @ together[1] / np.linalg.norm(alone) / np.linalg.norm(together[1]))
    assert cosine > 0.99
