"""One run folder's numbers → one self-contained HTML page. Knows nothing of models, votes or ledgers."""

from __future__ import annotations

from limbeck.report.page import render, write_report

__all__ = ["render", "write_report"]
