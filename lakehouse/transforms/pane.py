"""Spark: readings to exact sums per segment and pane.

A pane is the longest span that every window is cut into without a rest (Li et al., "No pane, no
gain", SIGMOD Record 2005): a reading is counted once here, and not once a window. Sums of two
micro-batches add up, so the stream's state is only which events were seen.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812  (its usual name)

from lakehouse.transforms.histogram import packed_counts
from specs.transforms import TransformSpec

EVENT_COLUMNS = (
    "event_id", "segment_id", "event_time", "status", "speed_kmh", "vehicle_count",
    "occupancy_ratio", "travel_time_s", "kafka_timestamp",
)  # fmt: skip
MICROS = 1_000_000


def distinct_readings(events: DataFrame, spec: TransformSpec) -> DataFrame:
    """Each event once, however often it was delivered (same ``event_id``).

    In a stream those as old as the watermark are dropped.

    Args:
        events: ``EVENT_COLUMNS`` of bronze.traffic_event, as a batch or as a stream.
        spec: the measures and panes; a stream takes its watermark from it.

    Returns:
        The events with the integer measures of transforms.yaml, null where the event is no
        observation, and ``pane_end``; a reading at the end of a pane belongs to the next.
    """
    narrow = events.select(*EVENT_COLUMNS)
    if events.isStreaming:
        late = f"{spec.watermark_seconds} seconds"
        once = narrow.withWatermark("event_time", late).dropDuplicatesWithinWatermark(["event_id"])
    else:
        once = narrow.dropDuplicates(["event_id"])
    observed = F.expr(spec.observation)
    measures = {m.name: F.when(observed, F.expr(m.expr)) for m in spec.measures}
    size = spec.pane_seconds * MICROS
    start = f"unix_micros(event_time) - pmod(unix_micros(event_time), {size}L)"
    pane_end = F.expr(f"timestamp_micros({start} + {size}L)")
    return once.withColumns({**measures, "pane_end": pane_end})


def pane_aggregate(readings: DataFrame, spec: TransformSpec) -> DataFrame:
    """Sum up the readings of each segment over its panes.

    All sums are of integers, so that the result does not depend on their order.

    Args:
        readings: `distinct_readings`, all or those of a micro-batch.
        spec: windows, measures and aggregations.

    Returns:
        One row per (``segment_id``, ``pane_end``) with at least one event, a column per
        aggregation, and the packed counts of the histogram.
    """
    aggregations = [F.expr(a.expr).alias(a.name) for a in spec.aggregations]
    aggregations += [F.expr(sql).alias(name) for name, sql in packed_counts(spec.histogram).items()]
    return readings.groupBy("segment_id", "pane_end").agg(*aggregations)
