"""Spark: readings to exact sums per segment and pane.

A pane is the longest span that every window is cut into without a rest (Li et al., "No pane, no
gain", SIGMOD Record 2005): a reading is counted once here, and not once a window. Sums of two
micro-batches add up, so the stream keeps none.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812  (its usual name)

from lakehouse.transforms.histogram import packed_counts
from lakehouse.transforms.reading_panes import EVENT_COLUMNS
from specs.transforms import TransformSpec

MICROS = 1_000_000


def distinct_readings(events: DataFrame) -> DataFrame:
    """Each event once, however often it was delivered (same ``event_id``), of a batch."""
    return events.select(*EVENT_COLUMNS).dropDuplicates(["event_id"])


def counted_readings(
    events: DataFrame, *, after: datetime, but: Mapping[int, Sequence[int]]
) -> DataFrame:
    """Those of a micro-batch that count.

    Args:
        events: ``EVENT_COLUMNS``, ``partition`` and ``offset`` of bronze.traffic_event.
        after: those with an ``event_time`` up to here are late.
        but: by partition, offsets that deliver an event again.
    """
    in_time = events.where(f"event_time > TIMESTAMP '{after.isoformat()}'")
    if not but:
        return in_time
    again = " OR ".join(
        f"(partition = {partition} AND offset IN ({', '.join(map(str, offsets))}))"
        for partition, offsets in but.items()
    )
    return in_time.where(f"NOT ({again})")


def pane_aggregate(readings: DataFrame, spec: TransformSpec) -> DataFrame:
    """Sum up the readings of each segment over its panes.

    All sums are of integers, so that the result does not depend on their order. A reading at the
    end of a pane belongs to the next; one that is no observation has no measures.

    Args:
        readings: ``EVENT_COLUMNS``, no event twice.
        spec: windows, measures and aggregations.

    Returns:
        One row per (``segment_id``, ``pane_end``) with at least one event, a column per
        aggregation, and the packed counts of the histogram.
    """
    measures, aggregations = _columns(spec)
    measured = readings.withColumns(measures)
    return measured.groupBy("segment_id", "pane_end").agg(*aggregations)


@cache
def _columns(spec: TransformSpec) -> tuple[dict[str, Column], list[Column]]:
    """The measures with the pane's end, and what is summed up of them.

    Each takes some calls into the JVM, which together cost a tenth of a second in each batch.
    """
    observed = F.expr(spec.observation)
    measures = {m.name: F.when(observed, F.expr(m.expr)) for m in spec.measures}
    size = spec.pane_seconds * MICROS
    start = f"unix_micros(event_time) - pmod(unix_micros(event_time), {size}L)"
    measures["pane_end"] = F.expr(f"timestamp_micros({start} + {size}L)")
    aggregations = [F.expr(a.expr).alias(a.name) for a in spec.aggregations]
    aggregations += [F.expr(sql).alias(name) for name, sql in packed_counts(spec.histogram).items()]
    return measures, aggregations
