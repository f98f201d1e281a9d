"""Do noise-robust strategies make a better student of partly wrong labels, and does cleanlab?

    python benchmarks/noise.py --data FOLDER [--work FOLDER] [--sets sst2 trec …] [--seeds 5] [--out FILE]

Votes: the default committee on up to 3,000 texts of SST-2's and TREC's training files and on 2,400 of the built-in film
and product reviews; kept in the work folder. A seed draws `--texts` of them. Every strategy gets the same texts, labels
and features (all-MiniLM-L6-v2 and n-grams), and teaches a linear student whose strength is chosen anew from its labels.
cleanlab's `CleanLearning` gets the same features and scikit-learn's logistic regression with the strength of `soft`.
Students are judged by gold: on the test files, and on reviews that nobody was asked about. `wrong labels` replaces the
committee's labels by gold of which a share is wrong, by another share for each label,
on SST-2 and TREC. Differences to `soft` are paired
over seeds, with a 95 % interval of Student's t. Set OPENBLAS_NUM_THREADS=1: on products this small, threads wait.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.stats import t
from sklearn.linear_model import LogisticRegression

from limbeck.assets.store import Store
from limbeck.catalog import NAMES, NOISES, Models, Workshop, resolve
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.job import Job, silent
from limbeck.flows.lesson import conclude, gold_indices
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.students.base import folds_of
from limbeck.students.lessons import features, lesson_of
from limbeck.students.noise.base import STRENGTHS, Given, pool, second_opinions
from limbeck.students.noise.choice import held_out, judge
from limbeck.students.softmax import Lesson, cross_validate, fit
from limbeck.task import parse_task
from machine import describe
from tasks import task_text

FOLDS = 3
REVIEWS = {"movie-reviews": "film", "product-reviews": "product"}
REVIEW = """
task:
  name: {name}
  instructions: Decide whether the {about} review is negative or positive.
  labels:
    negative: the reviewer dislikes the {noun}
    positive: the reviewer likes the {noun}
  noun: review
  aspect: sentiment
data: {{pool: {name}, {rest}}}
"""


@dataclass(frozen=True)
class Labelled:
    """What the committee labelled, with gold for scoring, and texts to be judged on."""

    texts: list[str]
    targets: Any
    truth: Any
    test: list[str]
    gold: Any
    labels: int


def job_of(name: str, data: Path, *, rest: str) -> Job:
    if name in REVIEWS:
        about = {"film": "movie"}.get(REVIEWS[name], REVIEWS[name])
        text = REVIEW.format(name=name, about=about, noun=REVIEWS[name], rest=rest).lstrip()
    else:
        text = task_text(name, data / name / "train.csv", test=data / name / "test.csv")
        text = text.replace("  gold: label\n", "  gold: label\n  limit: 3000\n")
    with Meter() as meter:
        return Workshop(parse_task(text, source=str(data / "task.yaml"), names=NAMES), Store(), meter, say=print).job()


def labelled(name: str, data: Path, work: Path) -> Labelled:
    """Votes of the committee, cast where they are not there yet; rows with gold only."""
    job = job_of(name, data, rest="test: {items: 600}, limit: 3000")
    with Meter() as meter, Ledger.open(work / f"{name}-train") as ledger:
        purse = Purse(job.budget, ledger, meter)
        annotate(job.committee, list(job.pool), ledger=ledger, meter=meter, notify=silent, purse=purse)
        lesson = conclude(job, ledger, list(job.pool.ids))
    rows = [job.pool.index(label.item) for label in lesson.labels]
    truth, texts = gold_indices(job, job.pool.gold(rows)), job.pool.texts(rows)
    judged = job.test
    if name in REVIEWS:  # as many as there are that nobody was asked about
        judged = job_of(name, data, rest="limit: 1000000").pool
    assert judged is not None
    gold, known = gold_indices(job, judged.gold()), set(texts)
    fresh = [i for i, text in enumerate(judged.texts()) if gold[i] >= 0 and text not in known][:4000]
    kept = np.flatnonzero(truth >= 0)
    return Labelled(
        [texts[i] for i in kept],
        lesson.probabilities[kept],
        truth[kept],
        [judged.texts()[i] for i in fresh],
        gold[fresh],
        len(job.task.labels),
    )


def flipped(truth: Any, labels: int, share: float, rng: np.random.Generator) -> Any:
    """Certain labels of which `share` ± 0.1 is wrong, more in the first label than in the last, as the next label."""
    rates = np.linspace(share + 0.1, share - 0.1, labels)
    wrong = rng.random(len(truth)) < rates[truth]
    return np.eye(labels)[np.where(wrong, (truth + 1) % labels, truth)]


def cleanlab(lesson: Lesson, test: Lesson, strength: float, folds: int) -> Any:
    """What cleanlab's own student says of the test texts."""
    from cleanlab.classification import CleanLearning

    rows, other = (sparse.csr_matrix(sparse.hstack([one.dense, one.thin])) for one in (lesson, test))
    model = CleanLearning(LogisticRegression(C=strength, max_iter=300), cv_n_folds=folds, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows, lesson.targets.argmax(axis=1))
    return model.predict(other)


def trial(found: Labelled, encoder: Any, *, seed: int, size: int, share: float | None) -> dict[str, Any]:
    """Accuracy of a student of each strategy, and how well wrong labels were found."""
    rng = np.random.default_rng((seed, 7))
    rows = rng.permutation(len(found.texts))[:size]
    texts, truth = [found.texts[i] for i in rows], found.truth[rows]
    targets = found.targets[rows] if share is None else flipped(truth, found.labels, share, rng)
    weights = np.maximum((targets.max(axis=1) - 1 / found.labels) / (1 - 1 / found.labels), 1e-6)
    lesson, grams = lesson_of(texts, targets, weights, encoder=encoder)
    dense, thin = features(found.test, grams, encoder)
    nothing = np.zeros((len(found.test), found.labels))
    test = Lesson(dense.astype(np.float64), thin.astype(np.float64), nothing, np.ones(len(nothing)))
    given = second_opinions(lesson, folds_of(texts, FOLDS, rng=rng))
    strategies = {name: resolve(reference)() for name, reference in NOISES.items()}
    right: dict[str, Any] = {}
    for name, strategy in strategies.items():
        learned = strategy(given, rng=np.random.default_rng(seed))
        kept = np.flatnonzero(learned.weights > 0)
        part = learned.rows(kept)
        strength, _ = cross_validate(part, given.folds[kept], strengths=STRENGTHS)
        right[name] = float((test.logits(fit(part, strength=strength)).argmax(axis=1) == found.gold).mean())
    if share is None:
        said = held_out(given, strategies, rng=np.random.default_rng(seed))
        right["auto"] = right[judge(given, said).name]
        people = np.where(np.arange(len(truth)) < 100, truth, -1)
        asked = Given(given.lesson, given.folds, given.tuning, given.opinions, people)
        right["auto, 100 answers of people"] = right[judge(asked, said).name]
    right["cleanlab"] = float((cleanlab(lesson, test, given.tuning.strength, FOLDS) == found.gold).mean())
    return {"right": right, "labels": cleanliness(given, targets, truth)}


def cleanliness(given: Given, targets: Any, truth: Any) -> dict[str, float]:
    """How well each number tells right labels from wrong ones: area under the ROC curve, and Brier score."""
    from cleanlab.rank import get_label_quality_scores
    from sklearn.metrics import roc_auc_score

    rows, chosen = np.arange(len(truth)), targets.argmax(axis=1)
    good = chosen == truth
    clean = pool(targets, given.opinions)[rows, chosen]
    numbers = {
        "confidence": targets[rows, chosen],
        "clean": clean,
        "cleanlab": get_label_quality_scores(chosen, given.opinions, method="self_confidence"),
    }
    told = {f"auc {name}": float(roc_auc_score(good, one)) for name, one in numbers.items()}
    told |= {f"brier {name}": float(((one - good) ** 2).mean()) for name, one in numbers.items()}
    return told | {
        "right": float(good.mean()),
        "clean set": float((clean >= 0.8).mean()),
        "right in the clean set": float(good[clean >= 0.8].mean()) if (clean >= 0.8).any() else 0.0,
    }


def summary(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds, and differences to `soft` with intervals, in points."""
    base = np.array([one["right"]["soft"] for one in trials])
    told: dict[str, Any] = {}
    for name in trials[0]["right"]:
        own = np.array([one["right"][name] for one in trials])
        gain = 100 * (own - base)
        half = t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
        told[name] = {"accuracy": own.mean(), "gain": gain.mean(), "interval": [gain.mean() - half, gain.mean() + half]}
    labels = {name: float(np.mean([one["labels"][name] for one in trials])) for name in trials[0]["labels"]}
    return {"students": told, "labels": labels}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/accuracy"))
    parser.add_argument("--sets", nargs="+", default=["sst2", "trec", *REVIEWS])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=1500)
    parser.add_argument("--shares", type=float, nargs="*", default=[0.2, 0.4], help="wrong labels made by lot")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    encoder, results = Models(Store()).encoder("all-minilm-l6-v2"), {}
    sets = {name: labelled(name, options.data.resolve(), options.work) for name in options.sets}
    for share in (None, *options.shares):
        for name, found in sets.items():
            if share is not None and name in REVIEWS:  # the same kind of task as SST-2
                continue
            trials = [
                trial(found, encoder, seed=seed, size=options.texts, share=share) for seed in range(options.seeds)
            ]
            label = "the committee" if share is None else f"wrong labels {share:g}"
            results[f"{name}, {label}"] = summary(trials) | {"test texts": len(found.test)}
            print(name, label, json.dumps(results[f"{name}, {label}"]["students"]), flush=True)
            if options.out:
                text = json.dumps({"machine": describe(), "texts": options.texts, "results": results}, indent=1)
                options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
