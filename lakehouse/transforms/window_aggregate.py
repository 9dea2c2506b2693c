"""Spark: readings to exact sums per segment and window. The part that keeps state."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812  (its usual name)

from lakehouse.transforms.histogram import packed_counts
from specs.transforms import TransformSpec, Window

EVENT_COLUMNS = (
    "event_id", "segment_id", "event_time", "status", "speed_kmh", "vehicle_count",
    "occupancy_ratio", "travel_time_s", "kafka_timestamp",
)  # fmt: skip
WATERMARK_METADATA = "spark.watermarkDelayMs"
MICROS = 1_000_000


def _window_ends(window: Window) -> Column:
    """Ends (microseconds since the epoch) of the windows of this kind that hold ``event_time``.

    Windows are half-open: a reading at a window's end belongs to the next.
    """
    size, slide = window.size_seconds * MICROS, window.slide_seconds * MICROS
    newest_start = F.expr(f"unix_micros(event_time) - pmod(unix_micros(event_time), {slide}L)")
    starts = [newest_start - F.lit(step * slide) for step in range(size // slide)]
    return F.array(*[
        F.struct(
            F.lit(window.size_seconds).alias("window_seconds"),
            (start + F.lit(size)).alias("window_end_micros"),
        )
        for start in starts
    ])  # fmt: skip


def windowed(events: DataFrame, spec: TransformSpec) -> DataFrame:
    """Give each reading one row per window it belongs to.

    Args:
        events: ``EVENT_COLUMNS`` of bronze.traffic_event; ``event_time`` may carry a watermark.
        spec: the windows.

    Returns:
        The columns of ``events`` with ``window_seconds`` (integer) and ``window_end`` (timestamp).
        ``window_end`` carries the watermark, so that the stream forgets a window once it has
        passed its end.
    """
    delay = {WATERMARK_METADATA: spec.watermark_seconds * 1000} if events.isStreaming else {}
    ends = F.concat(*[_window_ends(window) for window in spec.windows])
    return (
        events.withColumn("window", F.explode(ends))
        .withColumn("window_seconds", F.col("window.window_seconds"))
        .withColumn(
            "window_end",
            F.timestamp_micros(F.col("window.window_end_micros")).alias(
                "window_end", metadata=delay
            ),
        )
        .drop("window")
    )


def measured(events: DataFrame, spec: TransformSpec) -> DataFrame:
    """Add the integer measures of transforms.yaml; null where the event is no observation."""
    observed = F.expr(spec.observation)
    measures = {m.name: F.when(observed, F.expr(m.expr)) for m in spec.measures}
    return events.withColumns(measures)


def window_aggregate(events: DataFrame, spec: TransformSpec) -> DataFrame:
    """Sum up the readings of each segment over its windows.

    An event that was delivered more than once (same ``event_id``) counts once. All sums are of
    integers, so that the result does not depend on the order or on the batches of the readings.

    Args:
        events: ``EVENT_COLUMNS`` of bronze.traffic_event, as a batch or as a stream.
        spec: windows, measures and aggregations; a stream also takes its watermark from it.

    Returns:
        One row per (``segment_id``, ``window_seconds``, ``window_end``) with at least one event,
        a column per aggregation, and the packed counts of the histogram.
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
        windowed(measured(distinct, spec), spec)
        .groupBy("segment_id", "window_seconds", "window_end")
        .agg(*aggregations)
    )
