"""One worker of the committee: an item in, a Vote out."""

from limbeck.agent.apprentice import Apprentice
from limbeck.agent.base import Batch, Listener, Question, Worker
from limbeck.agent.classifier import Classifier, ClassifierAgent
from limbeck.agent.demonstrated import Demonstrated
from limbeck.agent.functions import FunctionAgent
from limbeck.agent.language import LanguageAgent
from limbeck.agent.masked import MaskedAgent
from limbeck.agent.orders import BothOrders
from limbeck.agent.prompt import Prompt
from limbeck.agent.recorded import Recorded
from limbeck.agent.remark import Remark, Said
from limbeck.agent.similarity import SimilarityAgent

__all__ = [
    "Apprentice",
    "Batch",
    "BothOrders",
    "Classifier",
    "ClassifierAgent",
    "Demonstrated",
    "FunctionAgent",
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
