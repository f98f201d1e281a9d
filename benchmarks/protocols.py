"""Are cascade, debate, judge and critic worth their tokens? Each beside plain voting with exactly as many tokens.

    python benchmarks/protocols.py --data FOLDER [--items 300] [--large MODEL] [--work FOLDER] [--out FILE]

Voters are the default committee: three prompts of SmolLM2-135M and the similarity of text and label. Plain voting at
equal tokens is their vote, joined by further prompts of the same model as far as the protocol's tokens would have paid
for them; the last of these answers a random share of the items. Where a protocol is cheaper, it is the vote of the
first voters likewise. Tokens of a larger judge or critic count like any others, which flatters it. No gold label is
used but for the accuracies. Votes are kept in the work folder: run again to score them anew, or to go on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.aggregation.base import VoteTable, tabulate
from limbeck.aggregation.opinion_pool import OpinionPool
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.evaluation import accuracy, compare
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.job import Job, silent
from limbeck.flows.lesson import conclude
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.records import Vote
from limbeck.task import parse_task
from machine import describe
from tasks import task_text

SMALL = "smollm2-135m-instruct"
VOTERS = (
    {"name": "sentence", "model": SMALL, "style": "plain", "cue": "The {aspect} of the {noun} is"},
    {"name": "similarity", "encoder": "all-minilm-l6-v2"},
    {
        "name": "bare",
        "model": SMALL,
        "style": "plain",
        "wording": "{Noun}: {text}",
        "cue": "The {aspect} of this {noun} is",
    },
    {"name": "plain", "model": SMALL, "style": "plain"},
)
# What more tokens buy in a plain vote.
FURTHER = (
    {"name": "chat", "model": SMALL, "style": "chat"},
    {"name": "asked", "model": SMALL, "style": "plain", "wording": "{Noun}: {text}\n\nIs the {aspect} {labels}?"},
    {"name": "one-word", "model": SMALL, "style": "plain", "cue": "In one word, the {aspect} is"},
    {"name": "reader", "model": SMALL, "style": "plain", "role": "You are a careful reader."},
)
ROLES = {
    "judge": "You are a fair judge. Read the text yourself and decide which of the answers is right.",
    "critic": "You are a strict editor who checks the answers of others.",
}


def strategies(large: str | None) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Name → the committee's section, and who is in it beside the voters."""
    found: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
        "vote": ({"protocol": "vote"}, []),
        "cascade": ({"protocol": "cascade"}, []),
        "debate, 1 round": ({"protocol": "debate", "debate": {"rounds": 1}}, []),
        "debate, 2 rounds": ({"protocol": "debate", "debate": {"rounds": 2}}, []),
    }
    for size, model in (("135M", SMALL), ("0.5B", large)):
        for protocol in ("judge", "critic"):
            if model is not None:
                outsider = {"name": "outsider", "model": model, "style": "chat", "role": ROLES[protocol]}
                found[f"{protocol} {size}"] = (
                    {"protocol": protocol, protocol: {"agent": "outsider"}},
                    [outsider],
                )
    return found


def build(
    name: str, data: Path, items: int, *, committee: dict[str, Any], agents: Sequence[dict[str, Any]], meter: Meter
) -> Job:
    extra = f"  limit: {items}\nagents: {json.dumps(list(agents))}\ncommittee: {json.dumps(committee)}\n"
    text = task_text(name, data / name / "test.csv", extra=extra)
    return Workshop(parse_task(text, source=str(data / "task.yaml"), names=NAMES), Store(), meter, say=print).job()


def ask(job: Job, folder: Path, meter: Meter, known: Sequence[Vote] = ()) -> tuple[list[Vote], Any]:
    """All votes of a job, and its labels' indices; `known` need not be asked again."""
    with Ledger.open(folder) as ledger:
        ledger.append(known)
        purse = Purse(job.budget, ledger, meter)
        annotate(job.committee, list(job.pool), ledger=ledger, meter=meter, notify=silent, purse=purse)
        names = {worker.name for worker in job.committee.workers}
        votes = [vote for vote in ledger.votes() if vote.worker in names]
        return votes, conclude(job, ledger, list(job.pool.ids)).probabilities.argmax(axis=1)


def affordable(votes: Sequence[Vote], tokens: int, ids: Sequence[str]) -> list[Vote]:
    """The votes that so many tokens pay for: worker after worker, the last one's by chance."""
    order = sorted(ids, key=lambda item: hashlib.blake2b(f"draw {item}".encode()).digest())
    place = {item: i for i, item in enumerate(order)}
    names = [str(agent["name"]) for agent in (*VOTERS, *FURTHER)]
    taken: list[Vote] = []
    for vote in sorted(votes, key=lambda vote: (names.index(vote.worker), place[vote.item])):
        tokens -= vote.usage.tokens
        if tokens < 0:
            break
        taken.append(vote)
    return taken


def measure(name: str, data: Path, work: Path, *, items: int, large: str | None) -> dict[str, Any]:
    with Meter() as meter:
        everybody = build(name, data, items, committee={"protocol": "vote"}, agents=(*VOTERS, *FURTHER), meter=meter)
        plain, _ = ask(everybody, work / f"{name}-everybody", meter)
        labels, ids = everybody.task.labels, list(everybody.pool.ids)
        gold = np.array([labels.index(str(one)) for one in everybody.pool.gold()], np.int64)
        voters = {str(agent["name"]) for agent in VOTERS}
        first = [vote for vote in plain if vote.worker in voters]
        found: dict[str, Any] = {"items": len(ids)}
        for title, (committee, others) in strategies(large).items():
            job = build(name, data, items, committee=committee, agents=(*VOTERS, *others), meter=meter)
            folder = work / f"{name}-{title.replace(',', '').replace(' ', '-')}"
            votes, chosen = ask(job, folder, meter, () if title == "cascade" else first)
            spent = sum(vote.usage.tokens for vote in votes)
            bought = affordable(plain, spent, ids)
            rival = OpinionPool()(_table(bought, labels, ids)).probabilities.argmax(axis=1)
            four = OpinionPool()(_table(first, labels, ids)).probabilities.argmax(axis=1)
            own = accuracy(gold, chosen, rng=np.random.default_rng(0))
            told = job.committee.worth(_table(votes, labels, ids), votes, gold, rng=np.random.default_rng(0))
            found[title] = {
                "accuracy": own.value,
                "interval": own.interval,
                "tokens per item": spent / len(ids),
                "vote for the same tokens": {
                    "accuracy": float((rival == gold).mean()),
                    "votes per item": len(bought) / len(ids),
                    "tokens per item": sum(vote.usage.tokens for vote in bought) / len(ids),
                },
                "gain at equal tokens": _difference(gold, chosen, rival),
                "gain over the four voters": _difference(gold, chosen, four),
                "steps": dict(told.steps) if told else {},
            }
            print(name, title, json.dumps(found[title]), flush=True)
        return found


def _difference(gold: Any, one: Any, other: Any) -> dict[str, Any]:
    found = compare(gold, one, other, rng=np.random.default_rng(0)).difference
    return {"points": found.value, "interval": found.interval}


def _table(votes: Sequence[Vote], labels: Sequence[str], ids: Sequence[str]) -> VoteTable:
    """Votes as the product tabulates them: every worker's scores are batch calibrated."""
    names = {vote.worker for vote in votes}
    return tabulate(votes, labels=labels, items=ids, calibration=dict.fromkeys(names, "batch"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["sst2", "trec"], choices=["sst2", "trec"])
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--large", help="Model of a larger judge and critic.")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/protocols"))
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    results = {
        name: measure(name, told.data.resolve(), told.work, items=told.items, large=told.large) for name in told.sets
    }
    text = json.dumps({"machine": describe(), "results": results}, indent=1)
    if told.out is not None:
        told.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
