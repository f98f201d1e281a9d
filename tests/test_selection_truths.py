"""The newer selectors by small truths worked out by hand, and against the plain loops that they are quicker than."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.selection import diversity
from limbeck.selection.badge import BADGE
from limbeck.selection.base import Evidence, Floats
from limbeck.selection.contrastive import CAL
from limbeck.selection.disagreement import BALD, KLDivergence
from limbeck.selection.diversity import KCentre, KMeans
from limbeck.selection.proactive import Proactive
from limbeck.selection.probcover import ProbCover
from limbeck.selection.reactive import ReActive
from limbeck.selection.typiclust import TypiClust
from limbeck.selection.uncertainty import Entropy
from limbeck.selection.vectors import Vectors
from test_selection import angles, drawn, rng


def taught_at(*degrees: float, candidates: dict[float, list[float]], **about: list[list[float]]) -> Evidence:
    """Candidates by angle with the student's opinion of them, and labelled items at other angles."""
    evidence = angles(*candidates, labelled=degrees)
    beliefs: dict[str, Any] = {name: np.array(rows) for name, rows in about.items()}
    asked = tuple(f"old {one:g}" for one in degrees)
    return replace(evidence, probabilities=np.array(list(candidates.values())), asked=asked, **beliefs)


def test_bald_by_hand_and_as_the_divergence_in_other_words() -> None:
    # a: certain and opposed, ln 2; b: alike, 0; c: 0.6 against 0.4, ln 2 - 0.673 = 0.02
    members = np.array([[[1.0, 0.0], [0.5, 0.5], [0.6, 0.4]], [[0.0, 1.0], [0.5, 0.5], [0.4, 0.6]]])
    assert BALD()(Evidence(("a", "b", "c"), members=members), 3, rng()) == ["a", "c", "b"]
    evidence = drawn(40, 5)
    assert BALD()(evidence, 40, rng()) == KLDivergence()(evidence, 40, rng())


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 60), n=st.integers(1, 60), seed=st.integers(0, 2**32 - 1), known=st.booleans())
def test_k_centre_is_the_plain_greedy_loop(count: int, n: int, seed: int, known: bool) -> None:
    evidence = drawn(count, seed)
    evidence = evidence if known else replace(evidence, labelled=None)
    assert evidence.embeddings is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diversity, "FRONT", 7)
        chosen = KCentre()(evidence, n, rng(seed))
    vectors = evidence.embeddings.astype(np.float64)
    seen = [] if evidence.labelled is None else list(evidence.labelled.astype(np.float64))
    for name in chosen:
        place = evidence.ids.index(name)
        if seen:
            near = (vectors @ np.array(seen).T).max(axis=1)
            assert near[place] == pytest.approx(near.min(), abs=1e-6)
        seen.append(vectors[place])
    assert len(set(chosen)) == min(n, count)


def test_k_centre_starts_anywhere_also_where_not_all_fit_into_the_front(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diversity, "FRONT", 2)
    firsts = Counter(KCentre()(angles(0, 72, 144, 216, 288), 1, rng(seed))[0] for seed in range(300))
    assert all(30 < firsts[name] < 90 for name in ("0", "72", "144", "216", "288"))  # 60 expected, sd 7


def written_out(probabilities: Floats, vectors: Vectors) -> Floats:
    """Every gradient as one long vector."""
    slopes = probabilities - np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
    gradients: Floats = np.einsum("nk,nd->nkd", slopes, vectors).reshape(len(vectors), -1)
    return gradients


def test_badge_draws_as_k_means_plus_plus_on_the_gradients_written_out() -> None:
    opinion = np.array([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.3, 0.1, 0.6], [0.8, 0.1, 0.1], [0.45, 0.15, 0.4]])
    evidence = replace(angles(0, 40, 90, 150, 300), probabilities=opinion)
    assert evidence.embeddings is not None
    gradients = written_out(opinion, evidence.embeddings)
    squares = ((gradients[:, None] - gradients) ** 2).sum(axis=2)
    first = int((gradients**2).sum(axis=1).argmax())
    expected: dict[tuple[str, str], float] = {}
    for second in range(5):
        left = np.minimum(squares[first], squares[second])
        for third in range(5):
            share = squares[first, second] / squares[first].sum() * left[third] / left.sum()
            expected[evidence.ids[second], evidence.ids[third]] = share
    drawn_so = Counter(tuple(BADGE()(evidence, 3, rng(seed))) for seed in range(1500))
    assert {chosen[0] for chosen in drawn_so} == {evidence.ids[first]}
    for (second_id, third_id), share in expected.items():
        found = drawn_so[evidence.ids[first], second_id, third_id] / 1500
        assert found == pytest.approx(share, abs=4.5 * np.sqrt(share * (1 - share) / 1500))


def test_badge_takes_no_copy_while_something_else_is_left() -> None:
    evidence = replace(angles(0, 0.001, 90, 180), probabilities=np.array([[0.5, 0.5]] * 3 + [[0.6, 0.4]]))
    assert evidence.embeddings is not None
    evidence.embeddings[1] = evidence.embeddings[0]
    for seed in range(20):
        assert len({"0", "0.001"} & set(BADGE()(evidence, 3, rng(seed)))) == 1


def test_cal_wants_what_contradicts_its_neighbours() -> None:
    candidates = {10.0: [0.1, 0.9], 20.0: [0.5, 0.5], 170.0: [0.1, 0.9]}
    evidence = taught_at(0, 180, candidates=candidates, taught=[[0.9, 0.1], [0.1, 0.9]])
    # KL(.9 .1 || .1 .9) = 1.76, KL(.9 .1 || .5 .5) = .37, KL of equals = 0
    assert CAL(neighbours=1)(evidence, 3, rng()) == ["10", "20", "170"]
    # all neighbours: the mean of both: 10 and 170 say the same and tie; 20: .37
    assert CAL()(evidence, 3, rng())[2] == "20"


def test_typiclust_takes_the_most_typical_of_each_cluster() -> None:
    # mean of the two nearest: 7 is 3 and 3 away; 120 is 3 and 4 away; the second cluster is larger
    evidence = angles(0, 4, 7, 10, 20, 110, 116, 120, 123, 130, 140)
    select = TypiClust(neighbours=2, clusters=2)
    assert select(evidence, 2, rng()) == ["120", "7"]
    assert select(replace(evidence, labelled=angles(118).embeddings), 2, rng()) == ["7", "120"]
    assert select(evidence, 4, rng())[2:] == ["123", "4"]  # 123: 3 and 7; 4: 3 and 4


def test_probcover_covers_most_first() -> None:
    # within 12 degrees: 10 has 0 and 20 beside it, 90 and 97 each other, 200 nobody
    evidence = angles(0, 10, 20, 90, 97, 200)
    select = ProbCover(radius=2 * np.sin(np.deg2rad(12) / 2))
    chosen = select(evidence, 6, rng())
    assert (chosen[0], chosen[2]) == ("10", "200")
    assert chosen[1] in {"90", "97"}
    assert select(replace(evidence, labelled=angles(9).embeddings), 2, rng())[1] == "200"


def test_probcover_finds_a_radius_that_keeps_clusters_apart() -> None:
    evidence = replace(angles(0, 5, 10, 15, 20, 180, 183, 186), classes=2)
    for seed in range(10):
        first, second = (float(name) for name in ProbCover()(evidence, 2, rng(seed)))
        assert (first <= 20, second <= 20) == (True, False), "one covers its whole cluster, the larger one first"


def test_proactive_leaves_out_where_the_committee_tosses_coins() -> None:
    candidates = {5.0: [0.5, 0.5], 85.0: [0.6, 0.4], 88.0: [0.9, 0.1]}
    evidence = taught_at(0, 90, candidates=candidates, posterior=[[0.5, 0.5], [1.0, 0.0]])
    # worth nearby: 0, 1/2, 1/2; entropies: .69, .67, .33
    assert Proactive(neighbours=1)(evidence, 3, rng()) == ["85", "88", "5"]
    assert Entropy()(evidence, 1, rng()) == ["5"]


def test_re_active_asks_again_where_label_and_student_are_in_doubt() -> None:
    about = {"posterior": [[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]], "taught": [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]}
    evidence = taught_at(0, 1, 2, candidates={5.0: [0.5, 0.5], 6.0: [0.9, 0.1], 7.0: [1.0, 0.0]}, **about)
    open_ = replace(evidence, open=np.array([True, False, True]))
    # halves of student's and label's entropy in bits: new 1, .73, .5; old 0: 1, old 2: .5, old 1 is not open
    assert set(ReActive()(open_, 2, rng())) == {"5", "old 0"}
    assert ReActive()(open_, 3, rng())[2] == "6"
    assert ReActive(alpha=0.9)(open_, 3, rng())[2] == "6"
    assert ReActive()(evidence, 3, rng()) == ["5", "6", "7"]


def test_a_sample_is_told_and_still_gives_as_many_as_asked() -> None:
    notes: list[str] = []
    evidence = replace(drawn(30, 1), note=notes.append)
    assert len(set(TypiClust(most=10)(evidence, 12, rng()))) == 12
    assert len(set(ProbCover(most=10)(evidence, 5, rng()))) == 5
    KMeans(sample=10)(evidence, 2, rng())
    assert notes == [
        "TypiClust chose among 12 of 30 candidates, drawn by lot: all would take too long",
        "ProbCover chose among 10 of 30 candidates, drawn by lot: all would take too long",
        "KMeans found its centres on 10 of 30 candidates, drawn by lot",
    ]


def test_a_sample_is_told_in_the_log_where_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    ProbCover(most=10)(drawn(30, 1), 5, rng())
    assert "ProbCover chose among 10 of 30 candidates" in caplog.text
