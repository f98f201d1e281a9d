"""The pool of items: read from files, merged, sampled and split."""

from limbeck.pool.pool import Pool, glued
from limbeck.pool.row import Row
from limbeck.pool.sources import columns, read_rows
from limbeck.pool.splits import split

__all__ = ["Pool", "Row", "columns", "glued", "read_rows", "split"]
