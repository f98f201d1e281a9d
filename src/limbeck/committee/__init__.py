"""Who is asked what: workers and the protocol between them."""

from __future__ import annotations

from limbeck.committee.base import Answers, Committee

__all__ = ["Answers", "Committee"]
