"""What each step of the loop gained and cost, and whether it is kept; as the blocks of improve.json.

Gold columns are used here for the figures beside a decision, never for the decision. Knows nothing of how a step is
made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from limbeck.evaluation import Estimate, accuracy, compare
from limbeck.evaluation.intervals import undefined
from limbeck.flows.job import Job
from limbeck.flows.jury import Jury
from limbeck.flows.lesson import Floats, Integers, gold_indices
from limbeck.flows.standing import Standing
from limbeck.flows.words import estimate
from limbeck.meter import combine

KEPT, UNDONE, IMPOSSIBLE = "kept", "undone", "not possible"
NO_TEST = "there is no test set"


def standing_of(job: Job, standing: Standing, judges: Jury) -> dict[str, Any]:
    """How right labels and student are at one moment."""
    return {
        **estimate("score", judges.right(standing.judged, seed=job.seed)),
        **estimate("test_accuracy", _on_test(job, standing)),
        **estimate("label_accuracy", _right(_gold(job, standing), standing.lesson.probabilities, seed=job.seed)),
        "labels": len(standing.lesson.labels),
        "clean": int(standing.clean().sum()),
        "synthetic": len(standing.course.made),
    }


def compared(job: Job, after: Standing, before: Standing, judges: Jury, *, shown: Sequence[str]) -> dict[str, Any]:
    """What was gained between two moments; the items shown as demonstrations do not judge.

    Keys: `gain` by the judges, `test_gain` on the test items' gold, `label_gain` on the labelled items' gold, and the
    share of labels that `changed`.
    """
    place = {item: row for row, item in enumerate(after.ids)}
    barred = [place[item] for item in shown]
    test = undefined(NO_TEST)
    if job.test is not None and after.test is not None and before.test is not None:
        test = _gain(gold_indices(job.task, job.test.gold()), after.test, before.test, seed=job.seed)
    new, old = after.lesson.probabilities, before.lesson.probabilities
    return {
        **estimate("gain", judges.gain(after.judged, before.judged, seed=job.seed, barred=barred)),
        **estimate("test_gain", test),
        **estimate("label_gain", _gain(_gold(job, after), new, old, seed=job.seed)),
        "changed": float((new.argmax(axis=1) != old.argmax(axis=1)).mean()),
    }


def impossible(reason: str) -> dict[str, Any]:
    """The entry of a step that could not be tried."""
    names = ("gain", "test_gain", "label_gain", "changed")
    return {"outcome": IMPOSSIBLE, "reason": reason} | dict.fromkeys(names) | {f"{one}_reason": reason for one in names}


def verdict(found: Mapping[str, Any], *, seconds: float, least: float) -> dict[str, Any]:
    """Whether a step is kept, and why not, or what one must know.

    Args:
        found: of `compared`.
        seconds: that the step took.
        least: gain per minute that it must exceed.
    """
    value, interval = found["gain"], found["gain_interval"]
    if value is None:
        return {"outcome": UNDONE, "reason": found["gain_reason"]}
    if value <= 0:
        return {"outcome": UNDONE, "reason": "it gained nothing" if value == 0 else "it did harm"}
    if value <= least * seconds / 60:
        return {"outcome": UNDONE, "reason": f"it gained less than {100 * least:g} points a minute"}
    chance = interval is None or interval[0] <= 0
    return {"outcome": KEPT, "reason": "the gain may be chance: its interval holds 0" if chance else "it paid"}


def cost(phases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Seconds and computed tokens of metered phases."""
    found = combine(phases)
    return {"seconds": found["wall_s"], "tokens": found["tokens"]["prefilled"] + found["tokens"]["decoded"]}


def sentence(account: Mapping[str, Any]) -> str:
    """The whole in one sentence or two."""
    steps = [one for one in account["steps"] if one["outcome"] != IMPOSSIBLE]
    kept = sum(one["outcome"] == KEPT for one in steps)
    spent = sum(one["seconds"] for one in steps)
    said = f"Of {len(steps)} further steps {kept or 'none'} paid, judged by {account['judged']['on']}"
    said += f"; they took {spent:,.0f} s."
    best, start, total = account["best"], account["start"], account["total"]
    if kept and total["test_gain"] is not None:
        said += (
            f" On the test set the student is right on {best['test_accuracy']:.1%} instead of "
            f"{start['test_accuracy']:.1%} ({_points(total, 'test_gain')})."
        )
    elif kept and total["gain"] is not None:
        said += f" There the student's gain is {_points(total, 'gain')}."
    return said


def _points(found: Mapping[str, Any], name: str) -> str:
    interval = found[f"{name}_interval"]
    between = f", {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}" if interval else ""
    return f"{100 * found[name]:+.1f} points{between}"


def _on_test(job: Job, standing: Standing) -> Estimate:
    if job.test is None or standing.test is None:
        return undefined(NO_TEST)
    return _right(gold_indices(job.task, job.test.gold()), standing.test, seed=job.seed)


def _right(gold: Integers, opinion: Floats, *, seed: int) -> Estimate:
    return accuracy(gold, opinion.argmax(axis=1), rng=np.random.default_rng((seed, 10_000_000)))


def _gain(gold: Integers, after: Floats, before: Floats, *, seed: int) -> Estimate:
    rng = np.random.default_rng((seed, 11_000_000))
    return compare(gold, after.argmax(axis=1), before.argmax(axis=1), rng=rng).difference


def _gold(job: Job, standing: Standing) -> Integers:
    return gold_indices(job.task, job.pool.gold([job.pool.index(item) for item in standing.ids]))
