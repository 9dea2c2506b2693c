"""The panes of a stretch of bronze: summed up here, or by Spark where the readings are many."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.dataset import Dataset

from lakehouse.added_files import added_files
from lakehouse.jobs.checkpoint import Position
from lakehouse.location import Place, parquet
from lakehouse.tables import Lake
from lakehouse.transforms.reading_panes import EVENT_COLUMNS, reading_panes

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BRONZE = "bronze.traffic_event"
ROWS_AT_ONCE = 1_000_000
"""Readings that a core has in hand, some 300 MB."""

MICROS = 1_000_000


class BronzePanes:
    """Sums up readings that bronze holds; both ways give the same bits."""

    def __init__(self, lake: Lake, spark: "Callable[[], SparkSession]", small_rows: int) -> None:
        """Read the tables of ``lake``.

        ``spark`` is asked for where a stretch has more than ``small_rows`` readings: it takes
        seconds to start.
        """
        self._lake, self._spark, self._small_rows = lake, spark, small_rows

    def read(self, *, start: datetime, end: datetime, reached: Position | None = None) -> pa.Table:
        """`pane_aggregate` over the events from ``start`` (included) to ``end`` (excluded).

        Args:
            start: a pane that begins before it lacks events.
            end: a pane that ends after it lacks events.
            reached: what of bronze.traffic_event counts; all if not given.
        """
        parts = self._parts(reached, start, end)
        rows = sum(part.count_rows(filter=_within(start, end)) for part in parts)
        if rows > self._small_rows:
            return self._by_spark(start, end, reached)
        spec = self._lake.specs.transforms

        def sum_up(begin: datetime, until: datetime) -> pa.Table:
            wanted = _within(begin, until)
            tables = [part.to_table(columns=list(EVENT_COLUMNS), filter=wanted) for part in parts]
            return reading_panes(pa.concat_tables(tables), spec)

        inner = _cuts(parts, start, end, spec.pane_seconds) if rows > ROWS_AT_ONCE else []
        cuts = [start, *inner, end]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return pa.concat_tables(pool.map(sum_up, cuts[:-1], cuts[1:]))

    def _parts(self, reached: Position | None, start: datetime, end: datetime) -> list[Dataset]:
        """The versions that are read completely, and what is read of the one after them."""
        bronze = self._lake.table(BRONZE)
        if reached is None:
            bronze.refresh()
        days = (pc.field("event_date") >= start.date()) & (pc.field("event_date") <= end.date())
        whole = bronze.dataset() if reached is None else bronze.at(max(reached.version - 1, 0))
        return [whole.filter(days), *map(parquet, self._begun(reached))]

    def _begun(self, reached: Position | None) -> list[Place]:
        if reached is None or not reached.files:
            return []
        added = added_files(self._lake.folder(BRONZE), reached.version - 1, reached.version)
        return [file.path for file in added][: reached.files]

    def _by_spark(self, start: datetime, end: datetime, reached: Position | None) -> pa.Table:
        from lakehouse.transforms.pane import distinct_readings, pane_aggregate

        reader = self._spark().read.format("delta")
        if reached is not None:
            reader = reader.option("versionAsOf", max(reached.version - 1, 0))
        days = f"event_date >= DATE '{start.date()}' AND event_date <= DATE '{end.date()}'"
        events = reader.load(str(self._lake.folder(BRONZE))).where(days).select(*EVENT_COLUMNS)
        begun = [str(path) for path in self._begun(reached)]
        if begun:
            events = events.union(self._spark().read.parquet(*begun).select(*EVENT_COLUMNS))
        times = (
            f"event_time >= TIMESTAMP '{start.isoformat()}'"
            f" AND event_time < TIMESTAMP '{end.isoformat()}'"
        )
        readings = distinct_readings(events.where(times))
        return pane_aggregate(readings, self._lake.specs.transforms).toArrow()


def _within(start: datetime, end: datetime) -> pc.Expression:
    return (pc.field("event_time") >= start) & (pc.field("event_time") < end)


def _cuts(
    parts: list[Dataset], start: datetime, end: datetime, pane_seconds: int
) -> list[datetime]:
    """Ends of panes, in order, between which lie about `ROWS_AT_ONCE` readings each."""
    tables = [part.to_table(columns=["event_time"], filter=_within(start, end)) for part in parts]
    micros = np.sort(pa.concat_tables(tables)["event_time"].cast(pa.int64()).to_numpy())
    size = pane_seconds * MICROS
    ends = np.unique(micros[ROWS_AT_ONCE::ROWS_AT_ONCE] // size * size)
    found = [datetime.fromtimestamp(int(one) // MICROS, UTC) for one in ends]
    return [cut for cut in found if cut > start]
