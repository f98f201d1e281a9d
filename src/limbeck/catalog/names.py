"""Every name that a task file may use → the class behind it, loaded by string when it is asked for.

So a run imports what it uses and nothing else. Knows nothing of how the parts are put together.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from limbeck.errors import MissingExtra

ENGINES = {
    "openvino": "limbeck.engines.openvino:load",
    "scripted": "limbeck.engines.scripted:ScriptedEngine.load",
    "transformers": "limbeck.engines.transformers:load",
    "masked": "limbeck.engines.masked:load",
    "server": "limbeck.engines.service:connect",
}
FOLDERS = {"transformers", "masked"}
CHECKLIST, RELATIVE = "limbeck.decoding.checklist:Checklist", "limbeck.decoding.checklist:Relative"
GRAMMAR = "limbeck.decoding.grammar:Grammar"
WIDTH = "limbeck.engines.width:remembered"
EXPORTED, EXPORTER = "limbeck.engines.exported:load", "limbeck.engines.exporting:exported"
INSPECT, REPORT = "limbeck.engines.gguf:inspect", "limbeck.report:write_report"
COMPARISON_PAGE = "limbeck.report.comparison:write_comparison_page"
STUDY_REPORT, SERVE = "limbeck.report.study:write_study_report", "limbeck.web.serve:serve"
AUDIT, ACCEPTED = "limbeck.flows.audit:audit", "limbeck.flows.audit:write_accepted"
DECODERS = {
    "choice": "limbeck.decoding.choice:Choice",
    "cot": "limbeck.decoding.cot:Cot",
    "self_consistency": "limbeck.decoding.consistency:SelfConsistency",
    "nucleus": "limbeck.decoding.consistency:SelfConsistency",
    "greedy": "limbeck.decoding.cot:Cot",
    "gate": "limbeck.decoding.gate:Gate",
}
RULES = {
    "none": "limbeck.decoding.stopping:Never",
    "exact": "limbeck.decoding.stopping:Exact",
    "adaptive": "limbeck.decoding.stopping:Adaptive",
    "window": "limbeck.decoding.stopping:Window",
    "short": "limbeck.decoding.stopping:Short",
}
AGGREGATORS = {
    "majority": "limbeck.aggregation.majority:Majority",
    "weighted": "limbeck.aggregation.weighted:Weighted",
    "dawid-skene": "limbeck.aggregation.dawid_skene:DawidSkene",
    "opinion-pool": "limbeck.aggregation.opinion_pool:OpinionPool",
    "linear-pool": "limbeck.aggregation.linear_pool:LinearPool",
}
REFINERS = {"mixture": "limbeck.aggregation.mixture:Mixture"}
SELECTORS = {
    "random": "limbeck.selection.random:Random",
    "least-confidence": "limbeck.selection.uncertainty:LeastConfidence",
    "margin": "limbeck.selection.uncertainty:Margin",
    "entropy": "limbeck.selection.uncertainty:Entropy",
    "variance": "limbeck.selection.uncertainty:Variance",
    "vote-entropy": "limbeck.selection.disagreement:VoteEntropy",
    "disagreement": "limbeck.selection.disagreement:VoteEntropy",
    "consensus-kl": "limbeck.selection.disagreement:KLDivergence",
    "bald": "limbeck.selection.disagreement:BALD",
    "k-centre": "limbeck.selection.diversity:KCentre",
    "k-means": "limbeck.selection.diversity:KMeans",
    "badge": "limbeck.selection.badge:BADGE",
    "cal": "limbeck.selection.contrastive:CAL",
    "typiclust": "limbeck.selection.typiclust:TypiClust",
    "probcover": "limbeck.selection.probcover:ProbCover",
    "proactive": "limbeck.selection.proactive:Proactive",
    "re-active": "limbeck.selection.reactive:ReActive",
}
# Selector → the parts of `Evidence` that it cannot do without.
NEEDS = {
    **{name: frozenset({"probabilities"}) for name in ("least-confidence", "margin", "entropy")},
    **{name: frozenset({"members"}) for name in ("vote-entropy", "disagreement", "consensus-kl", "bald")},
    **{name: frozenset({"embeddings"}) for name in ("k-centre", "k-means", "typiclust", "probcover")},
    "random": frozenset[str](),
    "variance": frozenset({"probabilities", "values"}),
    "badge": frozenset({"embeddings", "probabilities"}),
    "cal": frozenset({"embeddings", "probabilities", "taught"}),
    "proactive": frozenset({"embeddings", "probabilities", "posterior"}),
    "re-active": frozenset({"probabilities", "posterior", "taught"}),
}
COLD = ("random", "k-centre", "k-means", "typiclust", "probcover")
DIVERSE = {name for name, needs in NEEDS.items() if "embeddings" in needs}
STOPS = {
    "stability": "limbeck.selection.stopping:Stability",
    "plateau": "limbeck.selection.stopping:Plateau",
    "cost": "limbeck.selection.stopping:Cost",
}
STUDENTS = {
    "linear": "limbeck.students.linear:LinearTeacher",
    "encoder": "limbeck.students.finetuning:EncoderTeacher",
    "causal": "limbeck.students.distilling:CausalTeacher",
    "probe": "limbeck.students.probe:ProbeTeacher",
}
LOADERS = {
    "linear": "limbeck.students.linear:load_student",
    "encoder": "limbeck.students.encoder:load_student",
    "causal": "limbeck.students.causal:load_student",
    "probe": "limbeck.students.probe:load_student",
}
ONE_VS_REST, EACH = "one-vs-rest", "limbeck.students.one_vs_rest:load_students"
PROBED = "limbeck.students.probe:facts_of"
# How students learn labels that are partly wrong. Of all, where the file says auto; the first stays if none is better.
NOISES = {
    "soft": "limbeck.students.noise.labels:Soft",
    "hard": "limbeck.students.noise.labels:Hard",
    "pooled": "limbeck.students.noise.pooled:Pooled",
    "small-loss": "limbeck.students.noise.small_loss:SmallLoss",
    "co-teaching": "limbeck.students.noise.co_teaching:CoTeaching",
    "confident-learning": "limbeck.students.noise.confident_learning:ConfidentLearning",
    "candidates": "limbeck.students.noise.candidates:Candidates",
}
AUTO = "auto"
# Where the file names none: an encoder pools by itself, and for the others nothing else was measured.
USUAL = {"linear": "pooled", "encoder": "soft", "causal": "soft", "probe": "soft"}
TRUNK, CAUSAL, SEQUENCE = (
    "limbeck.engines.trunk:load",
    "limbeck.engines.causal:load",
    "limbeck.engines.sequence:load",
)
PROTOCOLS = {
    "vote": "limbeck.committee.vote:Voting",
    "cascade": "limbeck.committee.cascade:Cascade",
    "debate": "limbeck.committee.debate:Debate",
    "judge": "limbeck.committee.judge:Judging",
    "critic": "limbeck.committee.critic:Criticism",
}
# Task-file key → the names that may stand there, for `task.load_task`.
NAMES: Mapping[str, Sequence[str]] = {
    "committee.protocol": tuple(PROTOCOLS),
    "committee.aggregate": tuple(AGGREGATORS),
    "committee.refine": tuple(REFINERS),
    "selection.strategy": tuple(SELECTORS),
    "selection.cold": COLD,
    "student.kind": tuple(STUDENTS),
    "student.noise": (*NOISES, AUTO),
    "agents.engine": tuple(ENGINES),
    "synthesis.engine": tuple(name for name in ENGINES if name != "masked"),
}
EXTRAS = {
    "torch": "torch",
    "transformers": "torch",
    "peft": "torch",
    "ray": "ray",
    "pynvml": "gpu",
    "llguidance": "grammar",
}
EXTRAS |= {"llama_cpp": "bench", "ctranslate2": "bench", "sklearn": "sklearn", "starlette": "web", "uvicorn": "web"}


def resolve(reference: str) -> Any:
    """`module:name` → the object.

    Raises:
        MissingExtra: when an optional package is not installed; the hint is the install line.
    """
    module, _, path = reference.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(error.name or "")
        if extra is None:
            raise
        raise MissingExtra(f"{error.name} is not installed", hint=f"pip install 'limbeck[{extra}]'") from error
    for name in path.split("."):
        found = getattr(found, name)
    return found
