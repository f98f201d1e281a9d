"""Self-consistency with a scripted engine, and with a server that draws by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from limbeck.decoding.answers import Number, Phrase, Words
from limbeck.decoding.consistency import PAPER, SelfConsistency
from limbeck.decoding.paths import Pick
from limbeck.decoding.sampling import Sampling
from limbeck.decoding.stopping import Exact, Window
from limbeck.decoding.trees import Policy
from limbeck.engines.base import Floats, Integers, Path, Peaks, Remote, Tokenizer, Wish
from limbeck.engines.scripted import STOP, ByteText, Line, ScriptedEngine
from limbeck.errors import ConfigError

# Each first byte is as likely as the other; what follows is all but sure.
COIN = [Line("Q", "yes", 12.0), Line("Q", "no", 12.0)]
KIND = Words.of(["yes", "no"])
MAJORITY = Policy(KIND, max_tokens=8, aggregate="majority", values=("yes", "no"))
OPEN = Sampling(temperature=1.0)


def bodies(*texts: str) -> list[list[int]]:
    return [list(text.encode()) for text in texts]


def texts(trace: Mapping[str, Any] | None) -> list[str]:
    assert trace is not None
    return [branch["text"].strip() for branch in trace["branches"]]


def run(decoder: SelfConsistency, *prompts: str, script: Sequence[Line] = COIN) -> list[list[str]]:
    return [texts(found.trace) for found in decoder(ScriptedEngine(script), bodies(*prompts))]


def test_paths_are_sampled_and_the_majority_wins() -> None:
    (found,) = SelfConsistency(MAJORITY, 40, OPEN)(ScriptedEngine(COIN), bodies("Q1"))
    said = texts(found.trace)
    assert set(said) == {"yes", "no"}
    assert found.answer == max(("yes", "no"), key=said.count)
    assert found.trace is not None
    assert found.trace["confidence"] == pytest.approx(max(said.count("yes"), said.count("no")) / 40)
    assert found.prefilled == 2
    assert found.decoded == sum(branch["tokens"] for branch in found.trace["branches"])


def test_the_first_token_is_told_from_the_prompts_own_row() -> None:
    (found,) = SelfConsistency(MAJORITY, 1, Sampling(temperature=0))(
        ScriptedEngine([Line("Q", "yes", 3.0)]), bodies("Q")
    )
    assert found.trace is not None
    (branch,) = found.trace["branches"]
    # "y" and " " weigh e³ each, the other 257 bytes 1.
    assert branch["first"] == pytest.approx(np.exp(3) / (2 * np.exp(3) + 257), rel=1e-5)


def test_the_same_seed_says_the_same_whatever_the_neighbours_and_the_windows() -> None:
    decoder = SelfConsistency(MAJORITY, 12, OPEN, seed=3)
    (alone,) = run(decoder, "Q1")
    assert run(decoder, "Q0", "Q1", "Q2")[1] == alone
    assert run(decoder, "Q2", "Q1")[1] == alone
    windowed = replace(decoder, policy=replace(MAJORITY, window=5))
    assert run(windowed, "Q0", "Q1")[1] == alone
    more = replace(decoder, paths=20)
    assert run(more, "Q1")[0][:12] == alone
    assert run(replace(decoder, seed=4), "Q1")[0] != alone


def test_prompts_have_dice_of_their_own() -> None:
    first, second = run(SelfConsistency(MAJORITY, 16, OPEN), "Q1", "Q2")
    assert first != second


def test_rules_stop_early_and_say_so() -> None:
    sure = [Line("Q", "yes", 14.0)]
    policy = replace(MAJORITY, window=2, stop=Exact())
    (found,) = SelfConsistency(policy, 10, OPEN)(ScriptedEngine(sure), bodies("Q"))
    assert found.trace is not None
    assert len(found.trace["branches"]) == 6
    assert found.trace["why"].startswith("exact")
    policy = replace(MAJORITY, window=5, stop=Window(5))
    (found,) = SelfConsistency(policy, 10, OPEN)(ScriptedEngine(sure), bodies("Q"))
    assert found.trace is not None
    assert (len(found.trace["branches"]), found.trace["planned"]) == (5, 10)


def test_one_cold_path_is_greedy() -> None:
    (said,) = run(SelfConsistency(MAJORITY, 1, Sampling(temperature=0)), "Q")
    assert said == ["no"]  # equal logits: the lower byte, which is the blank before either; then "n"


def test_answers_that_are_asked_for() -> None:
    script = [Line("Q", "blue", 20.0)]
    policy = Policy(Phrase(), max_tokens=8, aggregate="majority", window=2)
    (found,) = SelfConsistency(policy, 4, OPEN)(ScriptedEngine(script), bodies("Q"))
    assert found.answer == "blue"
    assert found.scores is None


def test_scores_that_are_no_numbers_give_a_reason() -> None:
    (found,) = SelfConsistency(MAJORITY, 3, OPEN)(ScriptedEngine([Line("Q", "a", float("nan"))]), bodies("Q"))
    assert found.answer is None
    assert found.reason == "the engine gave scores that are not numbers"


@pytest.mark.parametrize(("paths", "heat"), [(0, 1.0), (2, 0.0)])
def test_no_paths_or_equal_paths_are_refused(paths: int, heat: float) -> None:
    with pytest.raises(ConfigError, match="self-consistency"):
        SelfConsistency(MAJORITY, paths, Sampling(temperature=heat))


def test_identity_and_plan() -> None:
    base = SelfConsistency(MAJORITY)
    assert base.sampling == PAPER
    others = [
        replace(base, paths=21),
        replace(base, seed=1),
        replace(base, sampling=OPEN),
        replace(base, policy=replace(MAJORITY, aggregate="sum")),
        replace(base, form=Capitals()),
    ]
    assert len({one.identity for one in [base, *others]}) == 6
    assert (base.width, base.reach) == (20, 8)


class Capitals:
    """A form: small letters are forbidden."""

    identity = "capitals"

    def guard(self, tokenizer: Tokenizer, inner: Pick, said: Sequence[Sequence[int]]) -> Pick:
        class Guard:
            def __call__(self, logits: Floats, numbers: Sequence[int]) -> Integers:
                left = logits.copy()
                left[:, ord("a") : ord("z") + 1] = -np.inf
                return inner(left, numbers)

            wish: Callable[[int], tuple[Mapping[str, float], int]] = staticmethod(inner.wish)

        return Guard()


def test_a_form_holds_from_the_first_token_on() -> None:
    found = SelfConsistency(MAJORITY, 30, OPEN, form=Capitals())(ScriptedEngine(COIN), bodies("Q"))
    assert not any(letter.islower() for said in texts(found[0].trace) for letter in said if letter.isascii())


class Server:
    """Says what it was asked: the answer hangs on the seed."""

    identity, context = "server", 4096

    def __init__(self) -> None:
        self.rows: list[list[int]] = [[]]
        self.wishes: list[Wish] = []

    @property
    def tokenizer(self) -> Tokenizer:
        return ByteText()

    def hold(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> None:
        self.rows = [[*self.rows[parent], *row] for row, parent in zip(rows, parents, strict=True)]

    def peaks(self, k: int) -> Peaks:
        raise AssertionError("the first token is drawn as well")

    def complete(self, wishes: Sequence[Wish]) -> list[Path]:
        assert len(wishes) == len(self.rows)
        self.wishes += wishes
        said = [list(b"it is %d" % ((wish.seed or 0) % 3)) for wish in wishes]
        return [Path(one, [-1.0] * len(one), [0.5] * len(one), "end") for one in said]

    def score(self, options: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        raise AssertionError("nothing is scored")

    def reset(self) -> None:
        self.rows = [[]]

    def snapshot(self) -> Any:
        return list(self.rows)

    def restore(self, state: Any) -> None:
        self.rows = list(state)


def test_a_server_draws_whole_paths() -> None:
    server = Server()
    assert isinstance(server, Remote)
    policy = Policy(Number(), max_tokens=30, aggregate="majority", window=4)
    how = Sampling(temperature=0.7, top_p=0.9)
    first, second = SelfConsistency(policy, 8, how)(server, bodies("Q1", "Q2"))
    assert len(server.wishes) == 16
    assert len({wish.seed for wish in server.wishes}) == 16
    assert {wish.limit for wish in server.wishes} == {30}
    assert all(wish.sampling == {"temperature": 0.7, "top_p": 0.9} for wish in server.wishes)
    assert first.answer in {"0", "1", "2"}
    assert second.trace is not None
    assert len(second.trace["branches"]) == 8


def test_a_server_is_not_asked_for_what_it_cannot_do() -> None:
    with pytest.raises(ConfigError, match="typical_p"):
        SelfConsistency(MAJORITY, 2, Sampling(typical_p=0.9))(Server(), bodies("Q"))


def test_an_end_at_once_is_an_empty_path() -> None:
    class Silent(ScriptedEngine):
        def extend(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> Floats:
            logits = super().extend(rows, parents)
            logits[:, STOP] = 50
            return logits

    (found,) = SelfConsistency(MAJORITY, 3, OPEN)(Silent([]), bodies("Q"))
    assert texts(found.trace) == ["", "", ""]
    assert found.reason == "no answer was found in 3 branches"
