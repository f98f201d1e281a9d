"""Synthetic examples, accepted or not: 100 of each label for SST-2's task, written by SmolLM2-135M-Instruct.

    python benchmarks/synthesis.py --data FOLDER --judge MODEL [--work FOLDER] [--per-label 100]

`limbeck` is what `limbeck synthesize` accepts. `plain` is the same model asked once for each text, by its chat template
and with the nucleus; every text that is not empty is taken. Both are judged by a model that neither writes nor accepts,
calibrated by the same 300 real texts; the judge itself is held against the labels of SST-2's test set. The student's
gain is that of adding the accepted examples to the committee's labels of those 300. All is kept in the work folder: run
again to go on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.agent.author import Author, Brief
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.committee.base import calibrations, interview
from limbeck.decoding.paths import Limits
from limbeck.decoding.sampling import Sampling
from limbeck.decoding.writing import Writer
from limbeck.evaluation import Estimate, accuracy, compare
from limbeck.flows.appraise import appraise
from limbeck.flows.commission import Commission
from limbeck.flows.job import Job
from limbeck.flows.panel import Panel
from limbeck.flows.synthesize import synthesize
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.quality import distinct, self_bleu, vendi_score
from limbeck.quality.diversity import words
from limbeck.records import Item
from limbeck.task import parse_task, synthesis_fingerprint
from machine import describe
from tasks import task_text

NUCLEUS = Sampling(top_p=0.9)


def shown(found: Estimate) -> dict[str, Any]:
    return {"value": found.value, "interval": found.interval, "n": found.n}


def plain_texts(parts: Commission, count: int) -> tuple[list[Item], list[str]]:
    """What plain prompting gives: no seeds, no guidance, no acceptance."""
    writer = Writer(NUCLEUS, Limits(80, ("\n",)), parts.seed)
    engine = parts.author._engine
    author = Author(parts.task, engine=engine, writer=writer, model=parts.author.model, style="chat")
    items: list[Item] = []
    labels: list[str] = []
    number = 0
    for label in parts.task.labels:
        while labels.count(label) < count:
            briefs = [Brief(number + i, label) for i in range(25)]
            number += 25
            written = [item for item, _ in author.write(briefs) if item.fields["text"]]
            items += written[: count - labels.count(label)]
            labels += [label] * (len(items) - len(labels))
    return items, labels


def variety(parts: Commission, texts: list[str], budget: int) -> dict[str, Any]:
    """Diversity of a set, and distinct-2 of its first `budget` words, so that longer texts are no handicap."""
    assert parts.encoder is not None
    kept, left = [], budget
    for text in texts:
        bag = words(text)[:left]
        left -= len(bag)
        kept.append(" ".join(bag))
    return {
        "words": float(np.mean([len(text.split()) for text in texts])),
        "distinct_1": distinct(texts, 1),
        "distinct_2": distinct(texts, 2),
        "distinct_2_at_equal_words": distinct(kept, 2),
        "self_bleu": self_bleu(texts),
        "vendi": vendi_score(parts.encoder.encode(texts)),
    }


def judged(parts: Commission, ledger: Ledger, items: list[Item], labels: list[str]) -> tuple[Any, Any]:
    """Intended labels and what the judge says, as indices."""
    assert parts.judge is not None
    judge, names = parts.judge, parts.task.labels
    anchors = list(ledger.rounds()[0].selected)
    with Meter() as meter:
        around = lambda worker: meter.phase("judge", model=worker.model)  # noqa: E731
        asked = [*ledger.items(anchors), *items]
        for answers in interview(judge, asked, kept=ledger, around=around, allowed=lambda: True):
            ledger.append(answers.votes)
    panel = Panel({judge.name: judge.calibration}, parts.aggregator, labels=names, ledger=ledger, anchors=anchors)
    unique = list(dict.fromkeys(item.id for item in items))
    said = dict(zip(unique, panel.opinion(unique).argmax(axis=1).tolist(), strict=True))
    return np.array([names.index(one) for one in labels]), np.array([said[item.id] for item in items])


def gain(parts: Commission, job: Job, ledger: Ledger, items: list[Item], labels: list[str]) -> dict[str, Any]:
    """Test accuracy of the linear student with the committee's labels of the anchors, and with the examples as well."""
    assert job.test is not None
    names, anchors = parts.task.labels, list(ledger.rounds()[0].selected)
    panel = Panel(calibrations(parts.committee), parts.aggregator, labels=names, ledger=ledger, anchors=anchors)
    opinion, real = panel.anchors(), [job.pool[one].fields["text"] for one in anchors]
    truth = np.array([names.index(str(one)) for one in job.test.gold()])
    made, targets = [item.fields["text"] for item in items], np.eye(len(names))[[names.index(one) for one in labels]]

    def taught(texts: list[str], soft: Any, seed: int) -> Any:
        weights = (soft.max(axis=1) - 1 / len(names)) / (1 - 1 / len(names))
        teacher = job.teach(None)
        student = teacher.fit(texts, soft, labels=names, weights=weights, rng=np.random.default_rng(seed))
        return student.predict_proba(job.test.texts()).argmax(axis=1)  # type: ignore[union-attr]

    found: dict[str, Any] = {"draws": []}
    for seed in range(5):
        rows = np.random.default_rng((seed, 7)).permutation(len(real))[: len(real) // 2]
        own = [real[row] for row in rows]
        first = taught(own, opinion[rows], seed)
        second = taught([*own, *made], np.concatenate([opinion[rows], targets]), seed)
        rng = np.random.default_rng(seed)
        found["draws"].append(
            {
                "labels": len(own),
                "without": accuracy(truth, first, rng=rng).value,
                "with": accuracy(truth, second, rng=rng).value,
                "gain": shown(compare(truth, second, first, rng=rng).difference),
            }
        )
    first, second = taught(real, opinion, 0), taught([*real, *made], np.concatenate([opinion, targets]), 0)
    rng = np.random.default_rng(0)
    found |= {"labels": len(real), "without": shown(accuracy(truth, first, rng=rng))}
    found |= {"with": shown(accuracy(truth, second, rng=rng))}
    found["gain"] = shown(compare(truth, second, first, rng=rng).difference)
    return found | {"synthetic alone": shown(accuracy(truth, taught(made, targets, 0), rng=rng))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--judge", required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/synthesis"))
    parser.add_argument("--per-label", type=int, default=100)
    parser.add_argument("--extra", default="", help="further sections of the task file, such as 'synthesis: {…}'")
    options = parser.parse_args()
    data = options.data.resolve()
    text = task_text("sst2", data / "sst2" / "train.csv", test=data / "sst2" / "test.csv", extra=options.extra + "\n")
    text = text.replace("  gold: label\n", "  gold: label\n  limit: 3000\n")
    file = parse_task(text, source=str(data / "task.yaml"), names=NAMES)
    with Meter() as meter:
        shop = Workshop(file, Store(), meter, say=print)
        parts, job = shop.synthesis(options.judge), shop.job()
        meter.drain()
        stamp = synthesis_fingerprint(file)
        stopped = synthesize(parts, options.work, per_label=options.per_label, meter=meter, fingerprint=stamp)
        found = {"machine": describe(), "appraisal": appraise(parts, options.work, meter=meter, stopped=stopped)}
        print(json.dumps(found, indent=1, default=float), flush=True)
    rng = np.random.default_rng(0)
    with Ledger.open(options.work) as ledger:
        taken = {label.item: str(label.label) for label in ledger.labels() if label.accepted}
        items = list(ledger.items(taken))
        labels = [taken[item.id] for item in items]
        plain, wanted = plain_texts(parts, options.per_label)
        texts = [[item.fields["text"] for item in one] for one in (items, plain)]
        budget = min(sum(len(words(text)) for text in one) for one in texts)
        for name, own, meant, said in (
            ("limbeck", items, labels, texts[0]),
            ("plain", plain, wanted, texts[1]),
        ):
            truth, opinion = judged(parts, ledger, own, meant)
            found[name] = {"label_fidelity": shown(accuracy(truth, opinion, rng=rng)), **variety(parts, said, budget)}
        found["plain"]["first texts"] = texts[1][:5]
        found["student"] = gain(parts, job, ledger, items, labels)
        print(json.dumps(found, indent=1, default=float), flush=True)
        assert parts.test is not None
        truth, opinion = judged(parts, ledger, list(parts.test), [str(one) for one in parts.test.gold()])
        found["judge on SST-2 test"] = shown(accuracy(truth, opinion, rng=rng))
    print(json.dumps(found, indent=1, default=float))


if __name__ == "__main__":
    main()
