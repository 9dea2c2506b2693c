"""Readings to exact sums per segment and pane without a JVM: `pane_aggregate` for a table.

It reads the same expressions, and as every sum is of integers it gives the same bits.
"""

import pyarrow as pa

from lakehouse.sql import select
from lakehouse.transforms.histogram import BITS, COUNTS_PER_SUM, count_columns
from specs.transforms import Histogram, TransformSpec

EVENT_COLUMNS = (
    "event_id", "segment_id", "event_time", "status", "speed_kmh", "vehicle_count",
    "occupancy_ratio", "travel_time_s", "kafka_timestamp",
)  # fmt: skip
MICROS = 1_000_000


def _packed_counts(histogram: Histogram) -> dict[str, str]:
    """DuckDB aggregations, by column: the counts that `histogram.packed_counts` gives in Spark."""
    measure = histogram.measure
    place = f"least({measure} // {histogram.bin_width}, {histogram.bins - 1})"
    one = f"1::BIGINT << ({BITS} * ({place} % {COUNTS_PER_SUM}))::INTEGER"
    here = f"{measure} IS NOT NULL AND {place} // {COUNTS_PER_SUM}"
    return {
        name: f"sum(CASE WHEN {here} = {number} THEN {one} ELSE 0::BIGINT END)::BIGINT"
        for number, name in enumerate(count_columns(histogram))
    }


def reading_panes(events: pa.Table, spec: TransformSpec) -> pa.Table:
    """Sum up the readings of each segment over its panes.

    Args:
        events: the columns that `pane_aggregate` reads; an ``event_id`` counts once.
        spec: windows, measures and aggregations.

    Returns:
        One row per (``segment_id``, ``pane_end``) with at least one event, as `pane_aggregate`
        gives.

    Raises:
        SpecError: an expression is wrong.
    """
    size = spec.pane_seconds * MICROS
    measures = ", ".join(
        f"CASE WHEN {spec.observation} THEN {one.expr} END AS {one.name}" for one in spec.measures
    )
    made = {
        a.name: f"{a.expr}::BIGINT" if a.function in ("count", "sum") else a.expr
        for a in spec.aggregations
    } | _packed_counts(spec.histogram)
    aggregations = ", ".join(f"{sql} AS {name}" for name, sql in made.items())
    panes = select(
        f"""
        WITH once AS (SELECT DISTINCT ON (event_id) * FROM events),
        measured AS (
            SELECT *, {measures}, make_timestamptz(
                epoch_us(event_time) - epoch_us(event_time) % {size} + {size}) AS pane_end
            FROM once
        )
        SELECT segment_id, pane_end, {aggregations} FROM measured GROUP BY segment_id, pane_end
        """,
        events=events,
    )
    instant = pa.timestamp("us", tz="UTC")
    return panes.cast(pa.schema(
        (field.name, instant if pa.types.is_timestamp(field.type) else field.type)
        for field in panes.schema
    ))  # fmt: skip
