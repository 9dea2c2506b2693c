"""Python's collector of reference cycles, kept away from what is loaded once."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def passing_over_what_is_loaded() -> Iterator[None]:
    """Have the collector leave alone what there is now, inside a ``with`` block.

    Great Expectations alone has a million objects; to walk them again and again took the lander a
    quarter of its CPU, and the API a quarter second at a time. After the block they are collected
    as ever: what an interpreter keeps to its end, DuckDB's binding complains of line by line, and
    that buries what the process said last.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
