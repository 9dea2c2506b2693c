"""A seeded sample of a stream of rows, of bounded size."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from quality.keys import Hashes, mixed

Positions = npt.NDArray[np.intp]

BATCH_COLUMN = "_batch"  # a spec's column names begin with a letter, so this is never one


class SeededSample:
    """At most ``size`` of the rows added, all of them as long as they fit.

    A row is chosen by the seeded hash of its batch and key, so rows of one batch with the same
    key are in the sample together: a duplicate in a sample is still seen as one.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._seed = seed
        self._batches = 0
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        self.rows_seen = 0
        self._parts: list[pa.Table] = []
        self._priorities: list[Hashes] = []
        self._bound = np.uint64(np.iinfo(np.uint64).max)

    def add(self, rows: pa.Table, hashes: Hashes) -> None:
        """Take one batch.

        Args:
            rows: the batch; all batches have the same columns.
            hashes: one for each row; equal for rows that must be chosen together.
        """
        self.rows_seen += rows.num_rows
        salt = mixed(np.array([self._seed * 2**32 + self._batches], dtype=np.uint64))
        priorities = mixed(hashes ^ salt)
        numbers = np.broadcast_to(np.int64(self._batches), rows.num_rows)
        self._batches += 1
        rows = rows.append_column(BATCH_COLUMN, pa.array(numbers))
        if self.rows_seen > self._size:
            chosen = np.flatnonzero(priorities <= self._bound)
            if len(chosen) > self._size:
                chosen = _lowest(priorities[chosen], chosen, self._size)
            rows, priorities = rows.take(pa.array(chosen)), priorities[chosen]
        self._parts.append(rows)
        self._priorities.append(priorities)
        if sum(part.num_rows for part in self._parts) > self._size:
            self._shrink()

    def _shrink(self) -> None:
        priorities = np.concatenate(self._priorities)
        chosen = _lowest(priorities, np.arange(len(priorities)), self._size)
        self._parts = [pa.concat_tables(self._parts).take(pa.array(chosen)).combine_chunks()]
        self._priorities = [priorities[chosen]]
        self._bound = priorities[chosen].max()

    def rows(self) -> pa.Table:
        """The sample, in the order of arrival, with the batch's number in ``BATCH_COLUMN``."""
        return pa.concat_tables(self._parts)


def _lowest(priorities: Hashes, positions: Positions, size: int) -> Positions:
    """The ``positions`` of the ``size`` lowest priorities, rising."""
    return np.sort(positions[np.argpartition(priorities, size - 1)[:size]])
