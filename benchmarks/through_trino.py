"""Watches rows of gold come out of Trino while a load runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lakehouse.delta_log import LOG
from lakehouse.freshness import Quantiles, named, quantiles_of
from lakehouse.sql import select
from lakehouse.tables import Lake, LakeTable
from lakehouse.trino.client import Client, Endpoint
from specs.errors import Unavailable

PAUSE_SECONDS = 0.02
"""Between two looks at gold's log."""

WARM_UP_QUERIES = 150
"""Before the load: until then the JIT compiler takes more of Trino's CPU than the queries."""

SEEN = pa.schema([
    ("segment_id", pa.string()), ("window_start", pa.timestamp("us", "UTC")),
    ("kafka_timestamp_max", pa.timestamp("us", "UTC")), ("seen_at", pa.timestamp("us", "UTC")),
])  # fmt: skip

JOIN_SECONDS = 60.0


class RowWatch:
    """Asks for the newest scores after each commit, and keeps when each state of a row came first.

    The newest are those of windows that are open: a reading that is not late changes no other.
    """

    def __init__(self, endpoint: Endpoint, scores: LakeTable, horizon_minutes: int) -> None:
        """Ask nothing yet."""
        self._endpoint, self._horizon = endpoint, horizon_minutes
        self._log, self._version = scores.folder / LOG, scores.refresh()
        self._rows: list[tuple[Any, ...]] = []
        self._newest: dict[tuple[str, datetime], datetime] = {}
        self._failure: Exception | None = None
        self.queries = 0

    def look(self, client: Client) -> None:
        """Ask once; a row counts as returned when the whole answer is here."""
        found = client.rows(
            "SELECT segment_id, window_start, kafka_timestamp_max FROM gold.congestion_scores"
            " WHERE window_date >= current_date - INTERVAL '1' DAY AND NOT is_final"
            f" AND horizon_minutes = {self._horizon}"
        )
        seen_at = datetime.now(UTC)
        self.queries += 1
        for segment_id, window_start, newest in found:
            key = (segment_id, window_start)
            if self._newest.get(key) != newest:
                self._newest[key] = newest
                self._rows.append((*key, newest, seen_at))

    def warm_up(self) -> None:
        """Have Trino compile what it needs for the question."""
        with Client(self._endpoint) as client:
            for _ in range(WARM_UP_QUERIES):
                self.look(client)

    def run(self, stop: threading.Event) -> None:
        """Ask until told to stop, and once more after that."""
        try:
            with Client(self._endpoint) as client:
                while not stop.is_set():
                    if self._has_news():
                        self.look(client)
                    else:
                        stop.wait(PAUSE_SECONDS)
                self.look(client)
        except Exception as error:  # raised again where the watch is read
            self._failure = error

    def _has_news(self) -> bool:
        known = self._version
        while (self._log / f"{self._version + 1:020}.json").exists():
            self._version += 1
        return self._version > known

    def table(self) -> pa.Table:
        """The states of rows that were seen. Raises what went wrong meanwhile."""
        if self._failure is not None:
            raise self._failure
        columns = zip(*self._rows, strict=True) if self._rows else [[]] * len(SEEN)
        return pa.table([pa.array(column, kind) for column, kind in
                         zip(columns, SEEN.types, strict=True)], schema=SEEN)  # fmt: skip


@contextmanager
def watching(endpoint: Endpoint, scores: LakeTable, horizon_minutes: int) -> Iterator[RowWatch]:
    """Watch beside what the block does, and look once more at its end."""
    watch, stop = RowWatch(endpoint, scores, horizon_minutes), threading.Event()
    watch.warm_up()
    thread = threading.Thread(target=watch.run, args=(stop,), name="row watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join(JOIN_SECONDS)
    if thread.is_alive():
        raise Unavailable(f"Trino has not answered within {JOIN_SECONDS:g} s")


def returned_seconds(lake: Lake, seen: pa.Table, since: datetime) -> Quantiles:
    """Quantiles over readings: Kafka timestamp to the row of gold that counts it, out of Trino.

    A row counts a reading of its segment and window once its newest Kafka timestamp has reached
    the reading's: one segment's readings arrive in the order of their offsets.

    Args:
        lake: the tables.
        seen: states of rows, as `RowWatch.table` gives them.
        since: readings that landed before it are left out.

    Returns:
        ``p50_seconds``, ``p95_seconds``, ``p99_seconds`` (None without any reading) and
        ``readings``, how many were returned.
    """
    size = lake.specs.transforms.primary.size_seconds
    bronze = lake.table("bronze.traffic_event")
    bronze.refresh()
    found = select(
        f"""
        WITH reading AS (
            SELECT segment_id, kafka_timestamp,
                time_bucket(to_seconds({size}), event_time) AS window_start
            FROM bronze WHERE landed_at > TIMESTAMPTZ '{since.isoformat()}'
        )
        SELECT count(*) AS readings,
            {quantiles_of("epoch_us(seen_at) - epoch_us(kafka_timestamp)")} AS seconds
        FROM reading ASOF JOIN seen ON reading.segment_id = seen.segment_id
            AND reading.window_start = seen.window_start
            AND reading.kafka_timestamp <= seen.kafka_timestamp_max
        """,
        bronze=bronze.dataset(), seen=seen,
    )  # fmt: skip
    return {**named(found["seconds"][0]), "readings": found["readings"][0].as_py()}
