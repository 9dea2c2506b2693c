"""Silver rows by the million: made-up window aggregates through the real transform and commit."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.commit import Note
from lakehouse.jobs.maintenance import maintain
from lakehouse.tables import Lake
from lakehouse.transforms.histogram import BITS, COUNTS_PER_SUM
from lakehouse.transforms.segment_metric import segment_metric

FIRST_DAY = datetime(2018, 2, 17, tzinfo=UTC)
"""So that the days which the SQL guide compares are among them."""

UNSEEN_RATIO = 0.01
"""Share of the windows without an observation; all others have what their source promises."""

SPREAD_MILLI = 2000
"""A window's readings lie so far on either side of their mean, 0.001 km/h."""


HOURS_PER_COMMIT = 2
"""A day comes in more commits than ops.yaml leaves uncompacted, as the stream's do."""


NOBODY_READS = "no-checkpoint"


def fill_silver(lake: Lake, rows: int, seed: int) -> int:
    """Append at least ``rows`` rows to silver.segment_metric, then maintain the tables.

    Speeds dip in two rush hours a day, by an amount of each segment's own.

    Returns:
        How many rows were written.
    """
    segments = lake.table("silver.road_segment").read()
    table, written, watermark = lake.table("silver.segment_metric"), 0, datetime.now(UTC)
    note = Note("bench", lake.specs.version)
    random = np.random.default_rng(seed)
    for day in _days():
        if written >= rows:
            break
        aggregates = _aggregates(lake, segments, day, random)
        made = segment_metric(aggregates, segments, lake.specs, watermark=watermark, at=watermark)
        written += sum(table.append(part, note).rows_written for part in _commits(made))
    maintain(lake, lake.root / NOBODY_READS, datetime.now(UTC))
    return written


def _commits(day: pa.Table) -> Iterator[pa.Table]:
    place = pc.divide(pc.hour(day["window_start"]), HOURS_PER_COMMIT)
    for number in pc.unique(place):
        yield day.filter(pc.equal(place, number))


def _days() -> Iterator[datetime]:
    day = FIRST_DAY
    while True:
        yield day
        day += timedelta(days=1)


def _aggregates(
    lake: Lake, segments: pa.Table, day: datetime, random: np.random.Generator
) -> pa.Table:
    """One day of every segment and window, as the stream's aggregation gives it."""
    spec = lake.specs.transforms
    parts = []
    for window in spec.windows:
        ends = [
            day + timedelta(seconds=window.slide_seconds * (number + 1))
            for number in range(86_400 // window.slide_seconds)
        ]
        parts.append(_window(lake, segments, ends, window.size_seconds, random))
    return pa.concat_tables(parts)


def _window(
    lake: Lake, segments: pa.Table, ends: list[datetime], size: int, random: np.random.Generator
) -> pa.Table:
    histogram = lake.specs.transforms.histogram
    free = segments["free_flow_speed_kmh"].to_numpy()
    hours = np.array([end.hour + end.minute / 60 for end in ends])
    rush = np.exp(-(((hours - 13) / 1.5) ** 2)) + np.exp(-(((hours - 22) / 2) ** 2))
    depth = random.uniform(0.1, 0.8, len(free))
    noise = random.normal(1, 0.08, (len(free), len(ends)))
    kmh = np.clip(free[:, None] * (1 - depth[:, None] * rush[None, :]) * noise, 3, 150).ravel()
    milli = np.round(kmh * 1000).astype(np.int64)
    pace = np.round(3_600_000 / kmh).astype(np.int64)
    unseen = random.random(len(milli)) < UNSEEN_RATIO
    readings = np.repeat(np.maximum(size // segments["interval_seconds"].to_numpy(), 1), len(ends))
    place = np.minimum(milli // histogram.bin_width, histogram.bins - 1)
    counts = np.where(unseen, 0, readings)

    def seen(values: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> pa.Array:
        return pa.array(values, mask=unseen)

    bins = {
        f"bins_{number}": pa.array(np.where(
            place // COUNTS_PER_SUM == number, counts << (BITS * (place % COUNTS_PER_SUM)), 0
        ))
        for number in range(-(-histogram.bins // COUNTS_PER_SUM))
    }  # fmt: skip
    total, nothing = len(milli), pa.nulls(len(milli), pa.int64())
    return pa.table({
        "segment_id": segments["segment_id"].combine_chunks().take(
            pa.array(np.repeat(np.arange(len(free)), len(ends)))
        ),
        "window_seconds": pa.array(np.full(total, size, np.int32)),
        "window_end": pa.array(ends * len(free), pa.timestamp("us", "UTC")),
        "event_count": pa.array(readings),
        "observation_count": pa.array(counts),
        "vehicle_count": nothing,
        "speed_sum": seen(milli * readings),
        "speed_square_sum": seen((milli**2 + SPREAD_MILLI**2) * readings),
        "weight_sum": seen(readings), "weighted_pace_sum": seen(pace * readings),
        "speed_min": seen(milli - SPREAD_MILLI), "speed_max": seen(milli + SPREAD_MILLI),
        "occupancy_sum": nothing, "occupancy_count": pa.array(np.zeros(total, np.int64)),
        "travel_time_sum": nothing, "travel_time_count": pa.array(np.zeros(total, np.int64)),
        "kafka_timestamp_max": pa.array(ends * len(free), pa.timestamp("us", "UTC")),
        **bins,
    })  # fmt: skip
