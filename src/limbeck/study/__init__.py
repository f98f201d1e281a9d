"""One human evaluation: frozen items, blind sides, judgements, statistics.

A study is a folder with one SQLite file, a design and guidelines. Knows nothing of pages, models or the flows of a run.
"""

from limbeck.study.design import Design
from limbeck.study.desk import Desk
from limbeck.study.prepare import freeze, new, plan
from limbeck.study.results import close, results
from limbeck.study.store import Study

__all__ = ["Design", "Desk", "Study", "close", "freeze", "new", "plan", "results"]
