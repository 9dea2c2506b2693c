"""Rows that tests are made of."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from lakehouse.tables import Lake

MIDNIGHT = datetime(2018, 3, 5, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """A moment so many seconds after midnight of the tests' day."""
    return MIDNIGHT + timedelta(seconds=seconds)


def reading(
    number: int, seconds: float, speed_kmh: float | None = 50.0, **other: Any
) -> dict[str, Any]:
    """One row of bronze.traffic_event: reading ``number`` of segment ``s:a``."""
    moment = after(seconds)
    return {
        "event_id": f"e{number}", "source": "s", "segment_id": "s:a", "event_time": moment,
        "event_date": moment.date(), "speed_kmh": speed_kmh, "vehicle_count": None,
        "occupancy_ratio": None, "travel_time_s": None,
        "status": "missing" if speed_kmh is None else "ok", "schema_version": 1,
        "raw_value": b"{}", "topic": "traffic_event", "partition": 0, "offset": number,
        "kafka_timestamp": moment, "landed_at": moment,
    } | other  # fmt: skip


def segment(segment_id: str = "s:a", **other: Any) -> dict[str, Any]:
    """One row of silver.road_segment: 1 km long, 90 km/h in free flow, a reading each 60 s."""
    return {
        "segment_id": segment_id, "source": "s", "name": segment_id, "polyline": None,
        "length_m": 1000.0, "free_flow_speed_kmh": 90.0, "interval_seconds": 60,
        "time_zone": "UTC", "upstream_segment_ids": [], "downstream_segment_ids": [],
    } | other  # fmt: skip


def metric(segment_id: str, seconds: float, **other: Any) -> dict[str, Any]:
    """One row of silver.segment_metric: the window that starts then, one event of 45 km/h."""
    start, size = after(seconds), other.get("window_seconds", 300)
    numbers = dict.fromkeys((
        "vehicle_count", "speed_kmh_stddev", "occupancy_ratio_mean", "travel_time_s_mean",
        "vehicle_delay_h",
    ))  # fmt: skip
    speeds = dict.fromkeys((f"speed_kmh_{name}" for name in (
        "mean", "harmonic", "min", "max", "p15", "p50", "p85")), 45.0)  # fmt: skip
    return {
        **numbers, **speeds, "segment_id": segment_id, "source": "s", "window_seconds": 300,
        "window_start": start, "window_end": start + timedelta(seconds=size),
        "window_date": start.date(), "local_date": start.date(), "local_hour": start.hour,
        "event_count": 1, "observation_count": 1,
        "travel_time_index": 2.0, "delay_s": 40.0, "congestion_level": "heavy",
        "is_congested": True, "completeness_ratio": 0.2, "detector_health": [], "anomalies": [],
        "is_final": False, "revision": 0, "kafka_timestamp_max": start, "committed_at": start,
    } | other  # fmt: skip


def table(lake: Lake, name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows in the schema of a table."""
    return pa.Table.from_pylist(rows, schema=lake.table(name).schema)
