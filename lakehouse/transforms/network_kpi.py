"""gold.network_kpi: how a whole network stands in one window."""

from datetime import datetime

import pyarrow as pa

from lakehouse.sql import select
from specs.arrow import arrow_schema
from specs.loader import Specs


def network_kpi(metrics: pa.Table, specs: Specs, *, at: datetime) -> pa.Table:
    """Sum up the segments of each source and window.

    Args:
        metrics: *all* rows of silver.segment_metric of the windows in question; rows of other
            window lengths than the primary one are left out.
        specs: the KPIs' expressions.
        at: stamp of the rows.

    Returns:
        gold.network_kpi, one row per source and window.

    Raises:
        SpecError: an expression is wrong.
    """
    schema = arrow_schema(specs.tables["gold.network_kpi"])
    kpis = ", ".join(f"{kpi.expr} AS {kpi.name}" for kpi in specs.transforms.network_kpis)
    query = f"""
        SELECT source, window_start, {kpis}
        FROM (
            SELECT * FROM metrics
            WHERE window_seconds = {specs.transforms.primary.size_seconds}
            ORDER BY segment_id
        )
        GROUP BY source, window_start ORDER BY source, window_start
    """
    rows = select(query, metrics=metrics)
    stamps = pa.repeat(pa.scalar(at, schema.field("committed_at").type), rows.num_rows)
    return rows.append_column("committed_at", stamps).select(schema.names).cast(schema)
