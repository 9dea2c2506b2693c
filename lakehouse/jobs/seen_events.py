"""Which events the stream has counted, so that each counts once however often it is delivered.

Spark's own operator for this walks its whole state in every micro-batch to find what is old, of 20
minutes of events. Here the old ones go by the bucket, and a look at a million hashes is 20 steps.
"""

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.jobs.batch_note import EPOCH, MICROSECOND
from lakehouse.sql import select
from lakehouse.sql_text import digest

Hashes = npt.NDArray[np.uint64]


class SeenEvents:
    """Hashes of the events that were counted, in buckets of event time.

    Of two events in 10 million million one may be taken for another that was seen, by their hash of
    64 bits. That reading is then missing from silver until its window is final, when `Reconciler`
    finds and mends it as it does with late ones.
    """

    def __init__(self, bucket: timedelta) -> None:
        """Nothing is seen; events are forgotten by the ``bucket`` of event time."""
        self._bucket_us = bucket // MICROSECOND
        self._runs: dict[int, list[Hashes]] = {}

    def __len__(self) -> int:
        """Events that are remembered."""
        return sum(len(run) for runs in self._runs.values() for run in runs)

    @property
    def size_bytes(self) -> int:
        """Memory that they take."""
        return sum(run.nbytes for runs in self._runs.values() for run in runs)

    def first(self, events: pa.Table) -> npt.NDArray[np.bool_]:
        """Tell which rows are the first of their event, and remember them.

        Args:
            events: ``event_id`` string, ``event_time`` timestamp (UTC, us); none is null.

        Returns:
            One value a row; of two rows of one event, in this table or an earlier one, only the
            first is true.
        """
        query = f"SELECT {digest('event_id')} AS h, epoch_us(event_time) AS t FROM events"
        hashed = select(query, events=events)
        hashes, index = np.unique(hashed["h"].to_numpy(), return_index=True)
        is_new = ~self._contains(hashes)
        hashes, index = hashes[is_new], index[is_new]
        buckets = hashed["t"].to_numpy()[index] // self._bucket_us
        for bucket in np.unique(buckets):
            self._add(int(bucket), hashes[buckets == bucket])
        found = np.zeros(events.num_rows, dtype=np.bool_)
        found[index] = True
        return found

    def forget(self, until: datetime) -> None:
        """Forget the buckets that end at or before ``until``."""
        last = (until - EPOCH) // MICROSECOND // self._bucket_us
        self._runs = {bucket: runs for bucket, runs in self._runs.items() if bucket >= last}

    def _contains(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(hashes), dtype=np.bool_)
        for run in (run for runs in self._runs.values() for run in runs):
            place = np.searchsorted(run, hashes)
            found |= run[np.minimum(place, len(run) - 1)] == hashes
        return found

    def _add(self, bucket: int, hashes: Hashes) -> None:
        """Keep sorted ``hashes``; few runs, each more than twice as long as the one after it.

        Source: O'Neil et al. 1996, 'The log-structured merge-tree'.
        """
        runs = self._runs.setdefault(bucket, [])
        while runs and len(runs[-1]) <= 2 * len(hashes):
            hashes = np.sort(np.concatenate([runs.pop(), hashes]), kind="stable")
        runs.append(hashes)
