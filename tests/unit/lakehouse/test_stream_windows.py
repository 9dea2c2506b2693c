"""Panes that come batch by batch add up to the windows of all of them at once."""

import random
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.jobs.checkpoint import Position
from lakehouse.jobs.windows import Windows
from lakehouse.transforms.reading_panes import reading_panes
from lakehouse.transforms.window_aggregate import window_aggregate
from specs.loader import Specs
from tests.rows import after

KEY = ("segment_id", "window_seconds", "window_end")
SEGMENTS = [f"s:{letter}" for letter in "abcdef"]
INSTANT = pa.timestamp("us", tz="UTC")


def readings(seed: int, first: float, seconds: float, count: int) -> pa.Table:
    """Of random segments, between ``first`` and so many seconds later."""
    chance = random.Random(seed)
    times = sorted(first + chance.random() * seconds for _ in range(count))
    return pa.table({
        "event_id": [f"{seed}-{number}" for number in range(count)],
        "segment_id": [chance.choice(SEGMENTS) for _ in times],
        "event_time": pa.array([after(time) for time in times], INSTANT),
        "status": ["ok"] * count,
        "speed_kmh": [chance.uniform(20, 100) for _ in times],
        "vehicle_count": pa.array([chance.randrange(1, 9) for _ in times], pa.int64()),
        "occupancy_ratio": pa.nulls(count, pa.float64()),
        "travel_time_s": pa.nulls(count, pa.float64()),
        "kafka_timestamp": pa.array([after(time + 1) for time in times], INSTANT),
    })  # fmt: skip


def by_key(rows: pa.Table) -> dict[tuple[object, ...], object]:
    return {tuple(row[name] for name in KEY): row for row in rows.to_pylist()}


def never(*, start: object, reached: Position) -> pa.Table:
    raise AssertionError


@pytest.mark.parametrize("seed", range(5))
def test_batches_tell_what_all_readings_would(seed: int, specs: Specs, tmp_path: Path) -> None:
    spec = specs.transforms
    windows, told = Windows(spec, tmp_path, never), dict[tuple[object, ...], object]()
    late = timedelta(seconds=spec.watermark_seconds)
    batches = [readings(10 * seed + n, 120 * n - 200 * (n % 3), 240, 12) for n in range(20)]
    for number, batch in enumerate(batches):
        told |= by_key(windows.changed(reading_panes(batch, spec), after(120 * number) - late))
    everything = reading_panes(pa.concat_tables(batches), spec)
    assert told == by_key(window_aggregate(everything, spec))


def test_only_windows_that_hold_a_new_reading_are_told(specs: Specs, tmp_path: Path) -> None:
    spec, watermark = specs.transforms, after(-3600)
    windows = Windows(spec, tmp_path, never)
    first, second = (reading_panes(readings(seed, 0, 300, 6), spec) for seed in (1, 2))
    windows.changed(first, watermark)
    told = by_key(windows.changed(second, watermark))
    assert {segment for segment, *_ in told} == set(second["segment_id"].to_pylist())
