"""synthesize: an author writes texts until so many of each label are accepted, or the budget is spent.

Every text, vote and decision is in a ledger of its own before the next batch begins: the author's vote says what label
a text is meant to have, the committee's votes what it seems to have, and its `Label` whether it was accepted, or why
not.
Knows nothing of any concrete worker, engine or selector.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from limbeck.agent.author import AUTHOR
from limbeck.committee.base import calibrations
from limbeck.errors import DataError, RunError
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.briefs import Briefs
from limbeck.flows.commission import Commission
from limbeck.flows.job import Budget, Notify, Progress, silent
from limbeck.flows.panel import Panel
from limbeck.flows.screen import ACCEPTED, POOL, TEST, Screen
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.quality.likeness import Vectors
from limbeck.records import Item, Label, Vote
from limbeck.selection.base import Evidence

# Texts written together, and real texts at most that are looked at for near-copies.
BATCH, LOOKED_AT = 32, 20_000
# An accept rate below this is not believed when a batch is sized: what is written last should not be a whole batch.
LEAST_RATE = 0.05
# What the meter tells apart; the anchors are read in the phase "annotate".
PHASES = ("select", "annotate", "write", "accept")
DISAGREES, DOUBTS, SURPLUS = "the committee says another label", "the committee is in doubt", "not needed any more"


@dataclass(slots=True)
class _Stock:
    """What there is so far: attempts in order, the decision on each text, and the accepted texts of each label."""

    attempts: list[Vote]
    labels: dict[str, Label]
    vectors: dict[str, list[Vectors]] = field(default_factory=dict)

    def accepted(self) -> Counter[str]:
        return Counter(str(label.label) for label in self.labels.values() if label.accepted)


def synthesize(
    commission: Commission,
    folder: Path,
    *,
    per_label: int | Mapping[str, int],
    meter: Meter,
    fingerprint: str,
    notify: Notify = silent,
) -> str | None:
    """Write until `per_label` texts of every label are accepted; goes on where an earlier call ended.

    Args:
        commission: the parts.
        folder: of the ledger; made if it is not there.
        per_label: accepted texts wanted of each label, alike for all or label by label.
        meter: running.
        fingerprint: of all that must stay the same for a folder to be continued.
        notify: is told of progress.

    Returns:
        Why it ended early, or None when all is there.

    Raises:
        RunError: when the folder belongs to something else, is in use, or a worker keeps failing.
    """
    with Ledger.open(folder) as ledger:
        if ledger.meta("fingerprint") not in (None, fingerprint):
            raise RunError(
                f"{folder}: these examples were begun with another task file or another author",
                hint="Use `--run` with a new folder, or restore the task file.",
            )
        ledger.set_meta("fingerprint", fingerprint)
        try:
            wanted = dict.fromkeys(commission.task.labels, per_label) if isinstance(per_label, int) else per_label
            return _Synthesis(commission, ledger, meter=meter, notify=notify).run(wanted)
        finally:
            ledger.add_phases(meter.drain())


class _Synthesis:
    def __init__(self, commission: Commission, ledger: Ledger, *, meter: Meter, notify: Notify) -> None:
        self._parts, self._ledger, self._meter, self._notify = commission, ledger, meter, notify
        self._task, self._terms = commission.task, commission.terms
        self._purse = Purse(Budget(tokens=self._terms.tokens), ledger, meter)
        self._screen = Screen(self._terms, commission.encoder, commission.author.echoes)

    def run(self, wanted: Mapping[str, int]) -> str | None:
        with self._meter.phase("select"):
            anchors = self._anchors()
        if stopped := self._ask(anchors, "annotate"):
            return stopped
        names = [item.id for item in anchors]
        panel = Panel(
            calibrations(self._parts.committee),
            self._parts.aggregator,
            labels=self._task.labels,
            ledger=self._ledger,
            anchors=names,
        )
        briefs = Briefs(
            self._task,
            self._terms,
            anchors=anchors,
            posterior=panel.anchors(),
            encoder=self._parts.encoder,
            seeds=self._parts.seeds,
        )
        stock = self._recall(briefs)
        batch = self._unfinished(stock)
        while missing := self._missing(stock, wanted):
            if not batch:
                if stopped := self._spent(stock, wanted):
                    return stopped
                batch = self._write(stock, briefs, missing)
            if stopped := self._decide(stock, batch, panel, wanted):
                return stopped
            batch = []
        return None

    def _anchors(self) -> list[Item]:
        """Pool items that calibrate the committee and are seeds; chosen once and written down before they are asked."""
        pool, seed = self._parts.pool, self._parts.seed
        rows = np.sort(np.random.default_rng((seed, 1)).permutation(len(pool))[:LOOKED_AT])
        texts = pool.texts(rows)
        self._screen.hold(texts, POOL)
        if self._parts.test is not None:
            self._screen.hold(self._parts.test.texts(), TEST)
        there = next((one.selected for one in self._ledger.rounds() if one.number == 0), None)
        name, selector = self._parts.selector
        if there is None:
            ids = pool.ids
            embeddings = self._parts.encoder.encode(texts) if self._parts.encoder else None
            evidence = Evidence(tuple(ids[row] for row in rows.tolist()), embeddings=embeddings)
            there = tuple(selector(evidence, self._terms.anchors, np.random.default_rng((seed, 2))))
            self._ledger.start_round(0, strategy=name, selected=there)
        try:
            items = [pool[one] for one in there]
        except KeyError as error:
            raise DataError("the pool has changed since these examples were begun", hint="Use a new folder.") from error
        self._ledger.add_items(items)
        return items

    def _ask(self, items: Sequence[Item], phase: str) -> str | None:
        return annotate(
            self._parts.committee,
            items,
            ledger=self._ledger,
            meter=self._meter,
            notify=self._notify if phase == "annotate" else silent,
            purse=self._purse,
            phase=phase,
        )

    def _recall(self, briefs: Briefs) -> _Stock:
        """What earlier calls left, as if it had just been done."""
        attempts = list(self._ledger.votes(AUTHOR))
        stock = _Stock(attempts, {label.item: label for label in self._ledger.labels()})
        for _, trace in self._ledger.traces(vote.key for vote in attempts):
            briefs.used(trace["intended"], trace["seeds"])
        taken = {label.item: str(label.label) for label in stock.labels.values() if label.accepted}
        items = list(self._ledger.items(taken))
        texts = [self._text(item) for item in items]
        for item, text, vector in zip(items, texts, self._screen.vectors(texts), strict=True):
            self._take(stock, taken[item.id], text, vector)
        return stock

    def _unfinished(self, stock: _Stock) -> list[tuple[Item, Vote]]:
        """Texts that nobody has decided on yet, or that were not needed at the time."""
        waiting = {
            vote.item: vote
            for vote in reversed(stock.attempts)
            if vote.label and (vote.item not in stock.labels or stock.labels[vote.item].how == SURPLUS)
        }
        for name in waiting:
            stock.labels.pop(name, None)
        first = {item.id: (item, waiting[item.id]) for item in self._ledger.items(waiting)}
        return [first[vote.item] for vote in stock.attempts if first.get(vote.item, (None, None))[1] is vote]

    def _missing(self, stock: _Stock, wanted: Mapping[str, int]) -> dict[str, int]:
        have = stock.accepted()
        done = sum(min(have[label], count) for label, count in wanted.items())
        self._notify(Progress("synthesize", done, sum(wanted.values())))
        return {label: count - have[label] for label, count in wanted.items() if have[label] < count}

    def _spent(self, stock: _Stock, wanted: Mapping[str, int]) -> str | None:
        most = self._terms.attempts * sum(wanted.values())
        if len(stock.attempts) >= most:
            return f"{most:,} texts were written, which is all that synthesis.attempts allows"
        return self._purse.empty()

    def _write(self, stock: _Stock, briefs: Briefs, missing: Mapping[str, int]) -> list[tuple[Item, Vote]]:
        """One batch of attempts, durable on return; the labels that lack most come most often."""
        rate = max(LEAST_RATE, stock.accepted().total() / max(1, len(stock.attempts)))
        size = min(BATCH, max(2, math.ceil(sum(missing.values()) / rate)))
        shares = {label: count / sum(missing.values()) for label, count in missing.items()}
        asked: Counter[str] = Counter()
        for i in range(size):
            asked[max(shares, key=lambda label: shares[label] * (i + 1) - asked[label])] += 1
        rng = np.random.default_rng((self._parts.seed, 3, len(stock.attempts)))
        covered = {label: _stack(stock.vectors.get(label, [])) for label in missing}
        plan = briefs.plan(sorted(asked.elements()), first=len(stock.attempts), accepted=covered, rng=rng)
        with self._meter.phase("write", model=self._parts.author.model):
            written = self._parts.author.write(plan)
            self._meter.add_tokens(
                prefilled=sum(vote.usage.prefilled for _, vote in written),
                decoded=sum(vote.usage.decoded for _, vote in written),
                reused=0,
            )
        self._ledger.add_items([item for item, vote in written if vote.label])
        self._ledger.append([vote for _, vote in written])
        for _, vote in written:
            self._purse.spend(vote.usage)
            stock.attempts.append(vote)
        return written

    def _decide(
        self, stock: _Stock, batch: Sequence[tuple[Item, Vote]], panel: Panel, wanted: Mapping[str, int]
    ) -> str | None:
        """Accept or refuse each new text of a batch, in its order, and write that down."""
        fresh = {item.id: (item, vote) for item, vote in batch if vote.label and item.id not in stock.labels}
        asked: list[Item] = []
        with self._meter.phase("accept"):
            texts = [self._text(item) for item, _ in fresh.values()]
            vectors = dict(zip(fresh, self._screen.vectors(texts), strict=True))
            for name, (item, vote) in fresh.items():
                if reason := self._screen.refusal(self._text(item), vectors[name]):
                    stock.labels[name] = self._label(vote, None, reason)
                else:
                    asked.append(item)
        if stopped := self._ask(asked, "accept"):
            return stopped
        for item, opinion in zip(asked, panel.opinion([item.id for item in asked]) if asked else (), strict=True):
            vote = fresh[item.id][1]
            reason = self._doubt(stock, vote, opinion, wanted)
            reason = reason or self._screen.refusal(self._text(item), vectors[item.id])
            stock.labels[item.id] = self._label(vote, opinion, reason)
            if reason is None:
                self._take(stock, str(vote.label), self._text(item), vectors[item.id])
        self._ledger.replace_labels(stock.labels.values())
        return None

    def _doubt(self, stock: _Stock, vote: Vote, opinion: np.ndarray, wanted: Mapping[str, int]) -> str | None:
        meant = self._task.labels.index(str(vote.label))
        if opinion.argmax() != meant:
            return DISAGREES
        if opinion[meant] < self._terms.accept:
            return DOUBTS
        return SURPLUS if stock.accepted()[str(vote.label)] >= wanted.get(str(vote.label), 0) else None

    def _label(self, vote: Vote, opinion: np.ndarray | None, reason: str | None) -> Label:
        count = len(self._task.labels)
        shares = [1 / count] * count if opinion is None else opinion.tolist()
        sure = shares[self._task.labels.index(str(vote.label))]
        return Label(vote.item, vote.label, tuple(shares), sure, reason is None, reason or "accepted")

    def _take(self, stock: _Stock, label: str, text: str, vector: Vectors | None) -> None:
        self._screen.accept(text, vector)
        if vector is not None:
            stock.vectors.setdefault(label, []).append(vector)

    def _text(self, item: Item) -> str:
        return item.fields[self._task.show[0]]


def outcomes(attempts: Sequence[Vote], labels: Mapping[str, Label]) -> list[str]:
    """What became of each attempt, in order: "accepted", or why not; undecided ones are "not decided yet"."""
    seen: set[str] = set()
    found = []
    for vote in attempts:
        if vote.label is None:
            found.append(vote.reason or "nothing was written")
        elif vote.item in seen:
            found.append(ACCEPTED if labels.get(vote.item) and labels[vote.item].accepted else "written before")
        else:
            found.append(labels[vote.item].how if vote.item in labels else "not decided yet")
        seen.add(vote.item)
    return found


def _stack(vectors: Sequence[Vectors]) -> Vectors:
    return np.stack(vectors) if vectors else np.zeros((0, 1), np.float32)
