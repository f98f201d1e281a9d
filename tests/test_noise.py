"""Labels that are partly wrong: strategies whose answers were worked out by hand, and what every strategy keeps."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st
from scipy import sparse

from limbeck.catalog import NOISES, resolve
from limbeck.flows.export import write_labels
from limbeck.ledger import Ledger
from limbeck.report import write_report
from limbeck.students.base import Floats, folds_of
from limbeck.students.noise.base import Given, pool, second_opinions
from limbeck.students.noise.candidates import Candidates, candidates
from limbeck.students.noise.choice import choose
from limbeck.students.noise.co_teaching import CoTeaching, doubt, smallest, views
from limbeck.students.noise.confident_learning import ConfidentLearning, confident_joint, joint_estimate, noisy_rows
from limbeck.students.noise.labels import Hard, Soft
from limbeck.students.noise.mixture import lower_share
from limbeck.students.noise.pooled import Pooled
from limbeck.students.noise.small_loss import SmallLoss
from limbeck.students.robust import Robust
from limbeck.students.softmax import Lesson, Tuning
from limbeck.task import Task
from toy_job import execute, toy_rows, write_toy

TOY = Task("toy", ("negative", "positive"), (None, None), "Which label fits?", ("text",))
# Six rows: labels 0 0 0 1 1 1 of which the third and the last are contradicted by students that did not see them.
SAID = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.95, 0.05]])
TOLD = np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8], [0.1, 0.9], [0.4, 0.6]])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def some(told: Floats = TOLD, said: Floats = SAID, **changes: Any) -> Given:
    count = len(told)
    lesson = Lesson(said.copy(), sparse.csr_matrix((count, 0)), told, np.ones(count))
    usual: dict[str, Any] = {"folds": np.arange(count) % 3, "tuning": Tuning(1.0, 1.0), "opinions": said}
    return Given(lesson=lesson, gold=np.full(count, -1), **usual | changes)


def clouds(count: int, *, wrong: float, seed: int = 0) -> tuple[Lesson, Any]:
    """Two clouds of points that a line parts, certain labels of which some are wrong, and the truth."""
    source = rng(seed)
    truth = np.arange(count) % 2
    dense = source.normal(size=(count, 4)) + 2.0 * np.where(truth, 1, -1)[:, None] * np.array([1, 1, 0, 0])
    told = np.where(source.random(count) < wrong, 1 - truth, truth)
    targets = np.where(np.eye(2)[told] == 1, 0.95, 0.05)
    thin = sparse.csr_matrix(dense + source.normal(size=dense.shape))
    return Lesson(dense, thin, targets, np.ones(count)), truth


def test_soft_leaves_labels_alone_and_hard_takes_the_likeliest() -> None:
    assert Soft()(some(), rng=rng()).targets is TOLD
    assert Hard()(some(), rng=rng()).targets.argmax(axis=1).tolist() == [0, 0, 0, 1, 1, 1]
    assert set(Hard()(some(), rng=rng()).targets.ravel()) == {0.0, 1.0}


def test_pooling_is_the_geometric_mean() -> None:
    found = Pooled()(some(), rng=rng()).targets
    third = np.sqrt([0.6 * 0.1, 0.4 * 0.9])
    assert found[2] == pytest.approx(third / third.sum(), abs=1e-5)
    assert found.argmax(axis=1).tolist() == [0, 0, 1, 1, 1, 0]


def test_two_heaps_of_numbers_are_told_apart() -> None:
    values = np.concatenate([rng().normal(1, 0.1, 700), rng().normal(3, 0.3, 300)])
    for kind in ("beta", "gaussian"):
        share = lower_share(values, kind=kind)
        assert share[:700].min() > 0.95
        assert share[700:].max() < 0.05
        order = np.argsort(values)
        assert (np.diff(share[order]) <= 1e-9).all(), "a larger loss is never cleaner"
    assert (lower_share(np.full(5, 2.0)) == 1).all()
    assert len(lower_share(np.zeros(0))) == 0


@any_of(st.lists(st.floats(0, 20), min_size=2, max_size=40), st.sampled_from(["beta", "gaussian"]))
def test_shares_of_any_numbers_are_probabilities_that_fall(values: list[float], kind: str) -> None:
    losses = np.array(values)
    share = lower_share(losses, kind=kind)
    assert ((share >= 0) & (share <= 1)).all()
    assert (np.diff(share[np.argsort(losses, kind="stable")]) <= 1e-6).all()


def test_small_losses_keep_their_weight() -> None:
    lesson, truth = clouds(300, wrong=0.2)
    case = second_opinions(lesson, np.arange(300) % 3)
    weights = SmallLoss()(case, rng=rng()).weights
    right = lesson.targets.argmax(axis=1) == truth
    assert weights[right].mean() > 0.7
    assert weights[~right].mean() < 0.1


def test_the_confident_joint_by_hand() -> None:
    """Mean of what is said of label 0 where it was given: 0.6, of label 1: (0.8 + 0.7 + 0.05) / 3 = 0.517.

    So rows 1, 2 and 6 are confidently 0, rows 3, 4 and 5 confidently 1.
    """
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert confident_joint(labels, SAID).tolist() == [[2, 1], [1, 2]]
    joint = joint_estimate(labels, SAID)
    assert joint == pytest.approx(np.array([[2, 1], [1, 2]]) / 6)
    assert noisy_rows(labels, SAID, joint).tolist() == [False, False, True, False, False, True]
    lesson = ConfidentLearning()(some(), rng=rng())
    assert lesson.weights == pytest.approx([1.5, 1.5, 0, 1.5, 1.5, 0])  # each label stands for three rows
    assert lesson.targets[0].tolist() == [1.0, 0.0]


def test_a_label_of_which_nobody_is_confident_is_not_pruned_away() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    said = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.1, 0.9, 0.0], [0.2, 0.8, 0.0], [0.4, 0.4, 0.2]])
    joint = joint_estimate(labels, said)
    assert joint.sum() == pytest.approx(1)
    assert np.isfinite(ConfidentLearning()(some(np.eye(3)[labels], said), rng=rng()).weights).all()


def test_candidates_cover_what_is_asked() -> None:
    told = np.array([[0.5, 0.3, 0.2], [0.95, 0.03, 0.02], [0.4, 0.35, 0.25]])
    assert candidates(told, 0.8).tolist() == [[True, True, False], [True, False, False], [True, True, True]]
    assert candidates(told, 1.0).all()


def test_candidates_are_told_apart_by_students() -> None:
    lesson, truth = clouds(300, wrong=0.0)
    torn = np.where(np.arange(300)[:, None] % 3 == 0, 0.5, lesson.targets)  # every third row could be either
    case = second_opinions(Lesson(lesson.dense, lesson.thin, torn, lesson.weights), np.arange(300) % 3)
    found = Candidates(cover=0.9)(case, rng=rng()).targets
    assert (found.argmax(axis=1) == truth)[::3].mean() > 0.95


def test_co_teaching_leaves_out_the_same_share_of_each_label() -> None:
    picked = smallest(np.array([1.0, 2, 3, 4, 9, 8]), np.array([0, 0, 0, 0, 1, 1]), share=0.5)
    assert picked.tolist() == [True, True, False, False, False, True]
    assert doubt(some().lesson) == pytest.approx(1 - np.mean([0.9, 0.7, 0.6, 0.8, 0.9, 0.6]))
    lesson, truth = clouds(400, wrong=0.2)
    case = second_opinions(lesson, np.arange(400) % 3)
    weights = CoTeaching(forget=0.2)(case, rng=rng()).weights
    right = lesson.targets.argmax(axis=1) == truth
    assert set(weights) <= {0.0, 0.5, 1.0}
    assert weights[right].mean() > 0.95
    assert weights[~right].mean() < 0.2


def test_two_students_see_different_things() -> None:
    lesson, _ = clouds(20, wrong=0.0)
    first, second = views(lesson, rng=rng())
    assert (first.dense.shape[1], first.thin.shape[1]) == (4, 0)
    assert (second.dense.shape[1], second.thin.shape[1]) == (0, 4)
    sparse_only = Lesson(np.empty((20, 0)), lesson.thin, lesson.targets, lesson.weights)
    first, second = views(sparse_only, rng=rng())
    assert first.thin.shape[1] == second.thin.shape[1] == 2
    assert np.abs(first.thin.toarray() - second.thin.toarray()).min() > 0, "no column is seen by both"


@pytest.mark.parametrize("name", NOISES)
def test_laws_of_strategies(name: str) -> None:
    lesson, _ = clouds(90, wrong=0.1)
    for array in (lesson.targets, lesson.weights, lesson.dense):
        array.setflags(write=False)
    case = second_opinions(lesson, np.arange(90) % 3)
    once, again = (resolve(NOISES[name])()(case, rng=rng(1)) for _ in range(2))
    assert np.array_equal(once.targets, again.targets), "the same seed gives the same answer"
    assert np.array_equal(once.weights, again.weights)
    assert once.targets.sum(axis=1) == pytest.approx(1)
    assert ((once.targets >= 0) & (once.weights >= 0)[:, None]).all()
    assert (once.weights > 0).sum() > 45, "most of a mostly right lesson is learned"


def test_the_first_stays_unless_another_is_clearly_better() -> None:
    lesson, _ = clouds(240, wrong=0.1)
    case = second_opinions(lesson, np.arange(240) % 3)

    def backwards(given: Given, *, rng: np.random.Generator) -> Lesson:
        return given.taught(given.lesson.targets[:, ::-1])

    found = choose(case, {"soft": Soft(), "backwards": backwards}, rng=rng())
    assert (found.name, found.by) == ("soft", "labels held out")
    assert found.scores["backwards"] < 0.3 < 0.7 < found.scores["soft"]
    assert choose(case, {"backwards": backwards, "soft": Soft()}, rng=rng()).name == "soft"
    assert choose(case, {"soft": Soft(), "same": Soft()}, rng=rng()).name == "soft", "no lead, no change"


def test_answers_of_people_decide_where_there_are_enough() -> None:
    """Labels of one class are wrong wherever a third feature is large: only people can tell."""
    lesson, truth = clouds(300, wrong=0.0)
    told = np.where(lesson.dense[:, 2] > 0, 0, truth)
    case = second_opinions(
        Lesson(lesson.dense, lesson.thin, np.where(np.eye(2)[told] == 1, 0.95, 0.05), lesson.weights),
        np.arange(300) % 3,
        gold=np.where(np.arange(300) < 100, truth, -1),
    )

    def knowing(given: Given, *, rng: np.random.Generator) -> Lesson:
        return given.taught(given.lesson.targets, np.where(given.lesson.dense[:, 2] > 0, 0.0, 1.0))

    found = choose(case, {"soft": Soft(), "knowing": knowing}, rng=rng())
    assert (found.name, found.by) == ("knowing", "answers of people")
    few = Given(case.lesson, case.folds, case.tuning, case.opinions, np.where(np.arange(300) < 19, truth, -1))
    assert choose(few, {"soft": Soft(), "knowing": knowing}, rng=rng()).name == "soft"


def reviews(count: int) -> tuple[list[str], Any]:
    sides = np.arange(count) % 2
    words = rng().choice(["film", "plot", "actor", "scene", "score"], (count, 4))
    return [f"{' '.join(row)} {('dull', 'bright')[side]}" for row, side in zip(words, sides, strict=True)], sides


def test_what_is_contradicted_is_not_clean() -> None:
    texts, sides = reviews(120)
    told = np.where(np.arange(120) % 9 == 0, 1 - sides, sides)
    targets = np.where(np.eye(2)[told.astype(int)] == 1, 0.8, 0.2)
    found = Robust({"pooled": Pooled()}, None)(texts, targets, np.full(120, 0.6), rng=rng())
    assert found.clean is not None
    wrong = told != sides
    assert found.clean[wrong].max() < found.clean[~wrong].min(), "every wrong label is less clean than any right one"
    assert found.clean[wrong].max() < 0.65
    assert found.strategy == "pooled"
    assert np.array_equal(found.weights, np.full(120, 0.6))


def test_too_few_texts_are_learned_as_they_are() -> None:
    texts, sides = reviews(20)
    targets = np.eye(2)[sides.astype(int)]
    for few in (texts, ["the same"] * 20):
        found = Robust({"hard": Hard()}, None)(few, targets, np.ones(20), rng=rng())
        assert found.targets is targets
        assert found.clean is None
    nothing = Robust({"hard": Hard()}, None)([], np.empty((0, 2)), np.empty(0), rng=rng())
    assert nothing.clean is None


def test_what_does_not_teach_gets_an_opinion_all_the_same() -> None:
    texts, sides = reviews(90)
    targets = np.where(np.eye(2)[sides.astype(int)] == 1, 0.9, 0.1)
    targets[0] = targets[0][::-1]
    weights = np.where(np.arange(90) == 0, 0.0, 0.8)
    found = Robust({"soft": Soft()}, None)(texts, targets, weights, rng=rng())
    assert found.clean is not None
    assert (found.weights[0], found.clean[0] < 0.6) == (0.0, True)
    assert found.targets is targets, "soft labels stay as they are, bit by bit"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_tells_strategy_and_clean_set(tmp_path: Path) -> None:
    task = write_toy(tmp_path, student={"encoder": None, "noise": "auto"})
    metrics = execute(task, tmp_path / "run")
    told = metrics["student"]["noise"]
    assert told["strategy"] in NOISES
    assert told["chosen_by"] == "labels held out"
    assert set(told["scores"]) == set(NOISES)
    clean = metrics["clean_set"]
    assert 0 < clean["items"] <= 45
    assert clean["expected_accuracy"] >= clean["threshold"] == 0.8
    assert clean["share"] == pytest.approx(clean["items"] / 45)
    kept = rows_of(tmp_path / "run" / "labels.csv")
    assert sum(float(row["clean"]) >= 0.8 for row in kept) == clean["items"]
    write_report(tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert re.search(rf"The clean set: {clean['items']}\s+labels", page)
    assert "chosen by labels held out" in page


def test_a_run_too_small_to_tell_says_so(tmp_path: Path) -> None:
    metrics = execute(write_toy(tmp_path, toy_rows(20)), tmp_path / "run")
    assert metrics["clean_set"]["items"] is None
    assert "too few" in metrics["clean_set"]["items_reason"]
    kept = rows_of(tmp_path / "run" / "labels.csv")
    assert {row["clean"] for row in kept} == {""}
    with Ledger.read(tmp_path / "run") as view:
        path = write_labels(tmp_path / "run", view, TOY, {}, kind="parquet")
    assert str(pq.read_schema(path).field("clean").type) == "double"


def test_opinions_do_not_rest_on_a_rows_own_label() -> None:
    lesson, truth = clouds(200, wrong=0.1)
    folds = folds_of([str(i) for i in range(200)], 3, rng=rng())
    found = second_opinions(lesson, folds)
    turned = lesson.targets.copy()
    turned[7] = turned[7][::-1]
    other = second_opinions(Lesson(lesson.dense, lesson.thin, turned, lesson.weights), folds, tuning=found.tuning)
    assert np.array_equal(found.opinions[7], other.opinions[7])
    assert (found.opinions.argmax(axis=1) == truth).mean() > 0.95
    assert pool(found.opinions, found.opinions) == pytest.approx(found.opinions, abs=1e-4)
