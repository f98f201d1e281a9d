"""The pool of items: read from files, merged, sampled and split."""

from limbeck.pool.pool import Pool
from limbeck.pool.row import Row
from limbeck.pool.sources import columns, read_rows
from limbeck.pool.splits import in_turn, split

__all__ = ["Pool", "Row", "columns", "in_turn", "read_rows", "split"]
