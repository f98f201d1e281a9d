"""Which parts serve which kind of task: a part that cannot is refused, with the reason, before anything is asked.

Knows nothing of YAML or of how the parts work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from limbeck.records import AND, NOTHING
from limbeck.task.kinds import LabelsSection, OpenSection, OrdinalSection, PairSection, numbers
from limbeck.task.phrasing import nearest
from limbeck.task.taskfile import TaskFile

Finding = tuple[tuple[str | int, ...], str]

# What serves open questions.
ANSWERS = ("number", "yes-no", "option", "phrase", "pattern")
OPEN_AGGREGATES = ("linear-pool", "majority", "weighted")
SEVERAL_STRATEGIES = (
    "random",
    "least-confidence",
    "margin",
    "entropy",
    "k-centre",
    "k-means",
    "typiclust",
    "probcover",
)
MOST_LABELS = 60
PAIR_PROTOCOLS = ("vote", "cascade")
OPEN_STRATEGIES = ("random", "k-centre", "k-means", "typiclust", "probcover")
SEVERAL_STRATEGIES = ("least-confidence", "margin", "entropy", *OPEN_STRATEGIES)


def served(task_file: TaskFile) -> Iterator[Finding]:
    """Every part that the file names and that cannot serve its kind of task, and every setting of the kind that
    cannot be."""
    kind = task_file.task.kind
    if kind.ordinal is not None:
        yield from _ordinal(task_file, kind.ordinal)
    if kind.pair is not None:
        yield from _pair(task_file, kind.pair)
    if kind.open is not None:
        yield from _open(task_file, kind.open)
    if kind.labels is not None:
        yield from _labels(task_file, kind.labels)
    if kind.pair is not None or kind.open is not None or kind.labels is not None:
        yield from _one_label_only(task_file)
    if kind.ordinal is None and task_file.selection.strategy == "variance":
        yield ("selection", "strategy"), f"variance needs labels that are numbers: kind ordinal, not {kind.name}"


def _one_label_only(task_file: TaskFile) -> Iterator[Finding]:
    """What looks at one text and gives it one label."""
    name = task_file.task.kind.name
    for i, agent in enumerate(task_file.agents or ()):
        for key in ("functions", "callable", "classifier", "student"):
            if getattr(agent, key):
                yield ("agents", i, key), f"gives one text one label, which kind {name} does not ask for"
    if task_file.committee.refine is not None:
        yield ("committee", "refine"), f"looks at one text and one label, which kind {name} does not ask for"
    if task_file.student.noise is not None and task_file.task.kind.pair is None:
        yield ("student", "noise"), f"compares one label of each text, which kind {name} does not ask for"


def _ordinal(task_file: TaskFile, scale: OrdinalSection) -> Iterator[Finding]:
    labels, path = list(task_file.task.labels), ("task", "kind", "ordinal", "values")
    if scale.values is None:
        values = numbers(labels)
        if values and not _ascending(values):
            yield ("task", "labels"), "the labels of a scale must ascend; to give them other values, see kind.ordinal"
        return
    for name in scale.values:
        if name not in labels:
            yield (*path, name), f"is no label{nearest(name, labels)}"
    lacking = [label for label in labels if label not in scale.values]
    if lacking:
        yield path, f"lacks {', '.join(map(repr, lacking))}"
    elif not _ascending([scale.values[label] for label in labels]):
        yield path, "must ascend in the order of the labels"


def _pair(task_file: TaskFile, pair: PairSection) -> Iterator[Finding]:
    path, labels = ("task", "kind", "pair"), task_file.task.labels
    if pair.first == pair.second:
        yield (*path, "second"), f"both texts are of the column {pair.first!r}"
    for key in ("first", "second"):
        if getattr(pair, key) in (task_file.data.gold, task_file.data.people):
            yield (*path, key), "would show the answer to the workers"
    if task_file.task.show is not None:
        yield ("task", "show"), "means nothing to a pair: kind.pair names its two columns"
    if pair.swap is not None:
        if pair.symmetric:
            yield (*path, "swap"), "says that labels change with the order, and symmetric that they do not"
        for name in {**pair.swap, **dict.fromkeys(pair.swap.values())}:
            if name not in labels:
                yield (*path, "swap"), f"{name!r} is no label{nearest(name, labels)}"
        if any(pair.swap.get(other, other) not in (name, other) for name, other in pair.swap.items()):
            yield (*path, "swap"), "must lead back: what the first text becomes is what becomes the first"
    if (protocol := task_file.committee.protocol) not in PAIR_PROTOCOLS:
        why = f"in a {protocol} agents see what others said of one order, and pairs are asked in both"
        yield ("committee", "protocol"), f"{why}; take {' or '.join(PAIR_PROTOCOLS)}"
    if task_file.student.kind == "probe":
        yield ("student", "kind"), "a probe reads one text; take linear or encoder"
    for i, agent in enumerate(task_file.agents or ()):
        if agent.encoder is not None:
            yield (
                ("agents", i, "encoder"),
                "compares one text with what the labels mean, and the label of a pair is about two texts",
            )


def _open(task_file: TaskFile, question: OpenSection) -> Iterator[Finding]:
    name, _, told = question.answer.partition(":")
    if name not in ANSWERS or (name == "pattern" and not told):
        yield ("task", "kind", "open", "answer"), f"{name!r} is no kind of answer; known: {', '.join(ANSWERS)}"
    for path, regex in ((("answer",), told if name == "pattern" else ""), (("checker", "regex"), _regex(question))):
        try:
            re.compile(regex)
        except re.error as error:
            yield ("task", "kind", "open", *path), f"is no regular expression: {error}"
    if question.checker is not None and question.checker.function is not None and not task_file.privacy.allow_code:
        why = "runs Python code; if you trust it, write privacy: {allow_code: true}"
        yield ("task", "kind", "open", "checker"), why
    if question.checker is not None and question.checker.bounds is not None:
        low, high = question.checker.bounds
        if low > high:
            yield ("task", "kind", "open", "checker", "range"), f"begins above its end: {low:g} > {high:g}"
    if task_file.task.labels:
        yield ("task", "labels"), "an open question has none; to choose among labels, take another kind"
    if (aggregate := task_file.committee.aggregate) not in OPEN_AGGREGATES:
        why = f"{aggregate} learns how workers treat each label, and an open question has none"
        yield ("committee", "aggregate"), f"{why}; take {', '.join(OPEN_AGGREGATES)}"
    if task_file.committee.protocol != "vote":
        yield ("committee", "protocol"), f"{task_file.committee.protocol} serves labels only; take vote"
    if task_file.committee.prior is not None:
        yield ("committee", "prior"), "means nothing to an open question"
    if (strategy := task_file.selection.strategy) not in OPEN_STRATEGIES:
        why = f"{strategy} needs a student's doubt, and no student answers an open question"
        yield ("selection", "strategy"), f"{why}; take {', '.join(OPEN_STRATEGIES)}"
    if task_file.selection.stop.rules:
        yield ("selection", "stop"), "looks at a student, and none answers an open question"
    if "kind" in task_file.student.model_fields_set:
        yield ("student", "kind"), "no student answers an open question; the accepted answers are in tuning.jsonl"
    for i, agent in enumerate(task_file.agents or ()):
        if agent.encoder is not None:
            yield ("agents", i, "encoder"), "compares a text with labels, and an open question has none"
        elif agent.engine == "masked":
            yield ("agents", i, "engine"), "a masked model scores labels, and an open question has none"
        elif agent.decode.name in ("choice", "gate"):
            yield ("agents", i, "decode"), f"{agent.decode.name} scores labels, and an open question has none; take cot"


def _labels(task_file: TaskFile, several: LabelsSection) -> Iterator[Finding]:
    labels, path = task_file.task.labels, ("task", "kind", "labels")
    for name in labels:
        if AND in name or name == NOTHING:
            yield (
                ("task", "labels", name),
                f"may not hold {AND!r}, which joins labels, nor be {NOTHING!r}",
            )
    if len(labels) > MOST_LABELS:
        yield ("task", "labels"), f"at most {MOST_LABELS} labels can be given together"
    if several.each >= len(labels):
        yield (*path, "each"), f"must be below the number of labels, {len(labels)}"
    if not isinstance(several.threshold, str) and not 0 < several.threshold < 1:
        yield (*path, "threshold"), "must be f1, prior or a number between 0 and 1"
    if task_file.committee.protocol != "vote":
        yield ("committee", "protocol"), f"{task_file.committee.protocol} serves one label for each text; take vote"
    if (strategy := task_file.selection.strategy) not in SEVERAL_STRATEGIES:
        why = f"{strategy} looks at one label for each text"
        yield ("selection", "strategy"), f"{why}; take {', '.join(SEVERAL_STRATEGIES)}"
    if task_file.selection.stop.rules:
        yield ("selection", "stop"), "looks at one label for each text"
    if task_file.data.people is not None:
        yield ("data", "people"), "counts one label for each person"
    if task_file.student.kind != "linear":
        yield ("student", "kind"), f"{task_file.student.kind} learns one label for each text; take linear"
    for i, agent in enumerate(task_file.agents or ()):
        if agent.engine == "masked":
            yield ("agents", i, "engine"), "a masked model chooses one word; take a model that answers yes or no"
        if agent.decode.name != "choice":
            yield ("agents", i, "decode"), f"{agent.decode.name} writes one answer; several labels need choice"
        elif agent.decode.calibration not in ("none", "batch"):
            yield ("agents", i, "decode"), "several labels know the calibrations none and batch"
        if agent.encoder is not None and agent.decode.calibration == "none":
            yield ("agents", i, "decode"), "likeness is no probability of applying before it is calibrated; take batch"
        if "examples" in agent.model_fields_set:
            yield ("agents", i, "examples"), "are not offered where a text may have several labels"
        if several.ask == "questions" and "label_words" in agent.model_fields_set:
            yield ("agents", i, "label_words"), "mean nothing where each label is asked about with yes or no"


def _regex(question: OpenSection) -> str:
    return question.checker.regex or "" if question.checker else ""


def _ascending(values: Sequence[float]) -> bool:
    return all(left < right for left, right in pairwise(values))
