"""Every name that a task file may use → the class behind it, and the only place that builds parts by name."""

from limbeck.catalog.ask import Asker, decode, open_asker
from limbeck.catalog.decoders import ANSWERS, answer_kind, build_decoder
from limbeck.catalog.models import Models, build_encoder, open_student
from limbeck.catalog.names import (
    ACCEPTED,
    AGGREGATORS,
    AUDIT,
    COLD,
    DECODERS,
    DIVERSE,
    ENGINES,
    EXTRAS,
    FOLDERS,
    INSPECT,
    LOADERS,
    NAMES,
    PROTOCOLS,
    REPORT,
    RULES,
    SELECTORS,
    STUDENTS,
    resolve,
)
from limbeck.catalog.workshop import Workshop

__all__ = [
    "ACCEPTED",
    "AGGREGATORS",
    "ANSWERS",
    "AUDIT",
    "COLD",
    "DECODERS",
    "DIVERSE",
    "ENGINES",
    "EXTRAS",
    "FOLDERS",
    "INSPECT",
    "LOADERS",
    "NAMES",
    "PROTOCOLS",
    "REPORT",
    "RULES",
    "SELECTORS",
    "STUDENTS",
    "Asker",
    "Models",
    "Workshop",
    "answer_kind",
    "build_decoder",
    "build_encoder",
    "decode",
    "open_asker",
    "open_student",
    "resolve",
]
