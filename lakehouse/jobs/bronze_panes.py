"""The panes of a stretch of bronze, as a Spark batch."""

from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.added_files import added_files
from lakehouse.jobs.checkpoint import Position
from lakehouse.tables import Lake
from lakehouse.transforms.pane import EVENT_COLUMNS, distinct_readings, pane_aggregate

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BRONZE = "bronze.traffic_event"


def bronze_panes(
    spark: "SparkSession",
    lake: Lake,
    start: datetime,
    end: datetime,
    reached: Position | None = None,
) -> pa.Table:
    """`pane_aggregate` over the events from ``start`` (included) to ``end`` (excluded).

    Args:
        spark: the session.
        lake: the tables.
        start: a pane that begins before it lacks events.
        end: a pane that ends after it lacks events.
        reached: what of bronze.traffic_event counts; all if not given.
    """
    days = f"event_date >= DATE '{start.date()}' AND event_date <= DATE '{end.date()}'"
    times = (
        f"event_time >= TIMESTAMP '{start.isoformat()}'"
        f" AND event_time < TIMESTAMP '{end.isoformat()}'"
    )
    events = _bronze(spark, lake, reached).where(days).select(*EVENT_COLUMNS)
    if reached is not None and reached.files:
        events = events.union(_begun(spark, lake, reached))
    spec = lake.specs.transforms
    return pane_aggregate(distinct_readings(events.where(times)), spec).toArrow()


def _bronze(spark: "SparkSession", lake: Lake, reached: Position | None) -> "DataFrame":
    """The versions that are read completely."""
    lake.table(BRONZE)  # it exists
    reader = spark.read.format("delta")
    if reached is not None:
        reader = reader.option("versionAsOf", max(reached.version - 1, 0))
    return reader.load(str(lake.folder(BRONZE)))


def _begun(spark: "SparkSession", lake: Lake, reached: Position) -> "DataFrame":
    """The files that are read of a version which is not read completely."""
    added = added_files(lake.folder(BRONZE), reached.version - 1, reached.version)
    files = [str(file.path) for file in added][: reached.files]
    return spark.read.parquet(*files).select(*EVENT_COLUMNS)
