"""What `window_aggregate` gives, summed up in plain Python: for tests that need no JVM."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakehouse.transforms.histogram import BITS, COUNTS_PER_SUM
from specs.transforms import Histogram
from tests.rows import after


@dataclass(frozen=True)
class Observation:
    """What one reading with status ok adds to its window."""

    speed_kmh: float
    vehicle_count: int | None = None
    occupancy_ratio: float | None = None
    travel_time_s: float | None = None


def packed(values: Sequence[int], histogram: Histogram) -> dict[str, int]:
    """The packed counts of integer measures."""
    sums = [0] * -(-histogram.bins // COUNTS_PER_SUM)
    for value in values:
        place = min(value // histogram.bin_width, histogram.bins - 1)
        sums[place // COUNTS_PER_SUM] += 1 << (BITS * (place % COUNTS_PER_SUM))
    return {f"bins_{number}": total for number, total in enumerate(sums)}


def _total(values: Sequence[float | None]) -> int | None:
    known = [round(value) for value in values if value is not None]
    return sum(known) if known else None


def aggregate(
    observations: Sequence[Observation], histogram: Histogram, *, segment_id: str = "s:a",
    window_seconds: int = 300, window_end: datetime | None = None, without_speed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """One segment and window; ``without_speed`` more events were no observations."""
    speeds = [round(one.speed_kmh * 1000) for one in observations]
    weights = [max(one.vehicle_count or 1, 1) for one in observations]
    paces = [round(3_600_000 / one.speed_kmh) for one in observations]
    milli = [None if o.travel_time_s is None else o.travel_time_s * 1000 for o in observations]
    micro = [None if o.occupancy_ratio is None else o.occupancy_ratio * 1e6 for o in observations]
    end = window_end or after(window_seconds)
    return {
        "segment_id": segment_id, "window_seconds": window_seconds, "window_end": end,
        "event_count": len(observations) + without_speed, "observation_count": len(observations),
        "vehicle_count": _total([one.vehicle_count for one in observations]),
        "speed_sum": _total(speeds), "speed_square_sum": _total([v * v for v in speeds]),
        "weight_sum": _total(weights),
        "weighted_pace_sum": _total([w * p for w, p in zip(weights, paces, strict=True)]),
        "speed_min": min(speeds, default=None), "speed_max": max(speeds, default=None),
        "occupancy_sum": _total(micro), "occupancy_count": len([v for v in micro if v is not None]),
        "travel_time_sum": _total(milli),
        "travel_time_count": len([v for v in milli if v is not None]),
        "kafka_timestamp_max": after(1), **packed(speeds, histogram),
    }  # fmt: skip


def aggregates(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows of `aggregate` with Spark's types."""
    names = list(rows[0])
    kinds: dict[str, pa.DataType] = {
        "segment_id": pa.string(), "window_seconds": pa.int32(),
        "window_end": pa.timestamp("us", "UTC"), "kafka_timestamp_max": pa.timestamp("us", "UTC"),
    }  # fmt: skip
    schema = pa.schema([(name, kinds.get(name, pa.int64())) for name in names])
    return pa.Table.from_pylist(list(rows), schema=schema)
