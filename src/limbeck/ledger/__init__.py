"""One run's SQLite file: append votes, read views, resume, repair.

Knows nothing of how a vote came to be, or of what is done with it.
"""

from __future__ import annotations

from limbeck.ledger.repair import RepairReport, repair
from limbeck.ledger.rows import Round, vote_key
from limbeck.ledger.view import LedgerView
from limbeck.ledger.writer import Ledger

__all__ = ["Ledger", "LedgerView", "RepairReport", "Round", "repair", "vote_key"]
