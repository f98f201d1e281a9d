"""One worker of the committee: an item in, a Vote out."""

from limbeck.agent.base import Batch, Listener, Question, Worker
from limbeck.agent.language import LanguageAgent
from limbeck.agent.masked import MaskedAgent
from limbeck.agent.prompt import Prompt
from limbeck.agent.recorded import Recorded
from limbeck.agent.remark import Remark, Said
from limbeck.agent.similarity import SimilarityAgent

__all__ = [
    "Batch",
    "LanguageAgent",
    "Listener",
    "MaskedAgent",
    "Prompt",
    "Question",
    "Recorded",
    "Remark",
    "Said",
    "SimilarityAgent",
    "Worker",
]
