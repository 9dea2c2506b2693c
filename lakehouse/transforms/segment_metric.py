"""silver.segment_metric: window aggregates to speeds, KPIs, levels and flags. No JVM."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.sql import select
from lakehouse.transforms.histogram import with_percentiles
from specs.arrow import arrow_schema
from specs.errors import SpecError
from specs.loader import Specs
from specs.ml import Label
from specs.transforms import CongestionLevel, FlagRule

SEGMENT_COLUMNS = (
    "segment_id", "source", "length_m", "free_flow_speed_kmh", "interval_seconds", "time_zone",
)  # fmt: skip


def _level(levels: Sequence[CongestionLevel]) -> str:
    *bounded, last = levels
    cases = " ".join(f"WHEN speed_ratio < {lvl.below} THEN '{lvl.level}'" for lvl in bounded)
    return f"CASE WHEN speed_ratio IS NULL THEN NULL {cases} ELSE '{last.level}' END"


def _flags(rules: Sequence[FlagRule]) -> str:
    raised = [f"CASE WHEN {rule.when} THEN ['{rule.id}'] ELSE [] END" for rule in rules]
    return f"CAST(flatten([{', '.join(raised)}]) AS VARCHAR[])"


def is_congested(label: Label) -> str:
    """The label rule as SQL over a silver row and its segment; null without an observation."""
    return f"{label.column} < {label.congested_below_ratio} * {label.reference}"


def segment_metric(
    aggregates: pa.Table, segments: pa.Table, specs: Specs, *, watermark: datetime, at: datetime
) -> pa.Table:
    """Turn window aggregates into the rows of silver.segment_metric.

    Args:
        aggregates: what `window_aggregate` gives: one row per segment and window.
        segments: ``SEGMENT_COLUMNS`` of silver.road_segment.
        specs: derived columns, levels, flags and the label rule.
        watermark: windows that end at or before it are final.
        at: stamp of the rows.

    Returns:
        silver.segment_metric with revision 0, ordered by its key.

    Raises:
        SpecError: an expression is wrong, or a segment of ``aggregates`` is not in ``segments``.
    """
    spec, table = specs.transforms, specs.tables["silver.segment_metric"]
    schema = arrow_schema(table)
    derived = ", ".join(f"{d.expr} AS {d.name}" for d in spec.derived)
    query = f"""
        SELECT aggregates.*, segments.* EXCLUDE (segment_id),
            window_end - to_seconds(window_seconds) AS window_start,
            CAST(window_end - to_seconds(window_seconds) AS DATE) AS window_date,
            {derived},
            {_level(spec.congestion_levels)} AS congestion_level,
            {is_congested(specs.ml.label)} AS is_congested,
            {_flags(spec.detector_health)} AS detector_health,
            {_flags(spec.anomaly_rules)} AS anomalies,
            CAST(0 AS INTEGER) AS revision
        FROM aggregates JOIN segments USING (segment_id)
        ORDER BY {", ".join(table.key)}
    """
    aggregates = with_percentiles(aggregates, spec.histogram, spec.percentiles)
    rows = select(query, aggregates=aggregates, segments=segments.select(SEGMENT_COLUMNS))
    if rows.num_rows != aggregates.num_rows:
        unknown = set(aggregates["segment_id"].to_pylist()) - set(
            segments["segment_id"].to_pylist()
        )
        raise SpecError(f"segments without a row in silver.road_segment: {sorted(unknown)[:5]}")
    final = pc.less_equal(rows["window_end"], pa.scalar(watermark, schema.field("window_end").type))
    stamps = pa.repeat(pa.scalar(at, schema.field("committed_at").type), rows.num_rows)
    rows = rows.append_column("is_final", final).append_column("committed_at", stamps)
    return rows.select(schema.names).cast(schema)
