"""Spark: readings to exact sums per segment and pane. The part that keeps state.

A pane is the longest span that every window is cut into without a rest (Li et al., "No pane, no
gain", SIGMOD Record 2005): a reading is counted once here, and not once a window.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812  (its usual name)

from lakehouse.transforms.histogram import packed_counts
from specs.transforms import TransformSpec

EVENT_COLUMNS = (
    "event_id", "segment_id", "event_time", "status", "speed_kmh", "vehicle_count",
    "occupancy_ratio", "travel_time_s", "kafka_timestamp",
)  # fmt: skip
WATERMARK_METADATA = "spark.watermarkDelayMs"
MICROS = 1_000_000


def _with_pane(events: DataFrame, spec: TransformSpec) -> DataFrame:
    """Add ``pane_end``; a reading at the end of a pane belongs to the next.

    ``pane_end`` carries the watermark, so that the stream forgets a pane once it has passed it.
    """
    delay = {WATERMARK_METADATA: spec.watermark_seconds * 1000} if events.isStreaming else {}
    size = spec.pane_seconds * MICROS
    start = f"unix_micros(event_time) - pmod(unix_micros(event_time), {size}L)"
    end = F.expr(f"timestamp_micros({start} + {size}L)")
    return events.withColumn("pane_end", end.alias("pane_end", metadata=delay))


def measured(events: DataFrame, spec: TransformSpec) -> DataFrame:
    """Add the integer measures of transforms.yaml; null where the event is no observation."""
    observed = F.expr(spec.observation)
    measures = {m.name: F.when(observed, F.expr(m.expr)) for m in spec.measures}
    return events.withColumns(measures)


def pane_aggregate(events: DataFrame, spec: TransformSpec) -> DataFrame:
    """Sum up the readings of each segment over its panes.

    An event that was delivered more than once (same ``event_id``) counts once. All sums are of
    integers, so that the result does not depend on the order or on the batches of the readings.

    Args:
        events: ``EVENT_COLUMNS`` of bronze.traffic_event, as a batch or as a stream.
        spec: windows, measures and aggregations; a stream also takes its watermark from it.

    Returns:
        One row per (``segment_id``, ``pane_end``) with at least one event, a column per
        aggregation, and the packed counts of the histogram.
    """
    narrow = events.select(*EVENT_COLUMNS)
    if events.isStreaming:
        late = f"{spec.watermark_seconds} seconds"
        distinct = narrow.withWatermark("event_time", late).dropDuplicatesWithinWatermark(
            ["event_id"]
        )
    else:
        distinct = narrow.dropDuplicates(["event_id"])
    aggregations = [F.expr(a.expr).alias(a.name) for a in spec.aggregations]
    aggregations += [F.expr(sql).alias(name) for name, sql in packed_counts(spec.histogram).items()]
    return (
        _with_pane(measured(distinct, spec), spec)
        .groupBy("segment_id", "pane_end")
        .agg(*aggregations)
    )
