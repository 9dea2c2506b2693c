"""The panes of a stretch of bronze, as a Spark batch."""

from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.tables import Lake
from lakehouse.transforms.pane import pane_aggregate

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BRONZE = "bronze.traffic_event"


def bronze_panes(
    spark: "SparkSession", lake: Lake, start: datetime, end: datetime, version: int | None = None
) -> pa.Table:
    """`pane_aggregate` over the events from ``start`` (included) to ``end`` (excluded).

    Args:
        spark: the session.
        lake: the tables.
        start: a pane that begins before it lacks events.
        end: a pane that ends after it lacks events.
        version: Delta version of bronze.traffic_event; the newest if not given.
    """
    lake.table(BRONZE)  # it exists
    reader = spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    events = reader.load(str(lake.folder(BRONZE))).where(
        f"event_date >= DATE '{start.date()}' AND event_date <= DATE '{end.date()}'"
        f" AND event_time >= TIMESTAMP '{start.isoformat()}'"
        f" AND event_time < TIMESTAMP '{end.isoformat()}'"
    )
    return pane_aggregate(events, lake.specs.transforms).toArrow()
