"""Windows are half-open and aligned; every event counts once in each of its windows."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from lakehouse.tables import Lake
from lakehouse.transforms.histogram import bin_counts
from lakehouse.transforms.pane import distinct_readings, pane_aggregate
from lakehouse.transforms.reading_panes import EVENT_COLUMNS
from lakehouse.transforms.window_aggregate import window_aggregate
from specs.loader import Specs
from tests.made_cases import cases
from tests.rows import after, reading, table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


def aggregates(
    spark: "SparkSession", lake: Lake, rows: Iterable[dict[str, Any]], specs: Specs
) -> list[dict[str, Any]]:
    events = table(lake, "bronze.traffic_event", list(rows)).select(EVENT_COLUMNS)
    readings = distinct_readings(spark.createDataFrame(events))
    panes = pane_aggregate(readings, specs.transforms).toArrow()
    made = window_aggregate(panes, specs.transforms)
    return sorted(made.to_pylist(), key=lambda row: (row["window_seconds"], row["window_end"]))


def tumbling(rows: list[dict[str, Any]]) -> list[tuple[Any, int]]:
    return [(r["window_end"], r["event_count"]) for r in rows if r["window_seconds"] == 300]


def test_windows_are_half_open(spark: "SparkSession", lake: Lake, specs: Specs) -> None:
    microsecond = 1e-6
    rows = [reading(0, 0), reading(1, 300 - microsecond), reading(2, 300), reading(3, 600)]
    assert tumbling(aggregates(spark, lake, rows, specs)) == [
        (after(300), 2), (after(600), 1), (after(900), 1),
    ]  # fmt: skip


def test_a_reading_at_midnight_belongs_to_the_new_day(
    spark: "SparkSession", lake: Lake, specs: Specs
) -> None:
    rows = [reading(0, -1e-6), reading(1, 0)]
    assert tumbling(aggregates(spark, lake, rows, specs)) == [(after(0), 1), (after(300), 1)]


def test_a_sliding_window_counts_a_reading_once_in_each_place(
    spark: "SparkSession", lake: Lake, specs: Specs
) -> None:
    made = aggregates(spark, lake, [reading(0, 700)], specs)
    sliding = [(r["window_end"], r["event_count"]) for r in made if r["window_seconds"] == 900]
    assert sliding == [(after(900), 1), (after(1200), 1), (after(1500), 1)]


def test_every_made_window_edge_holds_on_spark(
    spark: "SparkSession", lake: Lake, specs: Specs
) -> None:
    found = cases("windows.json")
    moments = [datetime.fromisoformat(case["event_time"]) for case in found]
    rows = [
        reading(number, 0, event_time=at, event_date=at.date(), segment_id=f"s:{number}")
        for number, at in enumerate(moments)
    ]
    made: dict[str, list[list[Any]]] = {}
    for row in aggregates(spark, lake, rows, specs):
        start = row["window_end"] - timedelta(seconds=row["window_seconds"])
        told = [row["window_seconds"], start.isoformat(timespec="microseconds")]
        made.setdefault(row["segment_id"], []).append(told)
    assert made == {f"s:{number}": case["windows"] for number, case in enumerate(found)}


def test_windows_stay_on_the_epoch_when_the_citys_clock_changes(
    spark: "SparkSession", lake: Lake, specs: Specs
) -> None:
    six_days_seven_hours = 6 * 86400 + 7 * 3600  # New York springs forward on 2018-03-11 07:00 UTC
    rows = [reading(n, six_days_seven_hours + 300 * n) for n in (-1, 0, 1)]
    assert tumbling(aggregates(spark, lake, rows, specs)) == [
        (after(six_days_seven_hours + 300 * n), 1) for n in (0, 1, 2)
    ]


def test_an_event_delivered_twice_counts_once(
    spark: "SparkSession", lake: Lake, specs: Specs
) -> None:
    rows = [reading(0, 10), reading(0, 10, offset=5), reading(1, 20)]
    assert tumbling(aggregates(spark, lake, rows, specs)) == [(after(300), 2)]


def test_sums_are_of_observations_only(spark: "SparkSession", lake: Lake, specs: Specs) -> None:
    rows = [reading(0, 0, 36.0), reading(1, 1, 72.0), reading(2, 2, None)]
    row = aggregates(spark, lake, rows, specs)[0]
    assert (row["event_count"], row["observation_count"]) == (3, 2)
    assert row["speed_sum"] == 108_000
    assert row["speed_square_sum"] == 36_000**2 + 72_000**2
    assert row["weighted_pace_sum"] == 100_000 + 50_000  # us per metre at 36 and 72 km/h
    assert sum(bin_counts(pa.Table.from_pylist([row]), specs.transforms.histogram)[0]) == 2


@pytest.mark.parametrize("size_seconds", [60, 3600])
def test_an_edited_window_length_changes_the_windows(
    spark: "SparkSession", lake: Lake, specs: Specs, size_seconds: int
) -> None:
    windows = (specs.transforms.windows[0].model_copy(
        update={"size_seconds": size_seconds, "slide_seconds": size_seconds}),)  # fmt: skip
    edited = specs.transforms.model_copy(update={"windows": windows})
    events = table(lake, "bronze.traffic_event", [reading(0, 59), reading(1, 60)])
    frame = spark.createDataFrame(events.select(EVENT_COLUMNS))
    panes = pane_aggregate(distinct_readings(frame), edited).toArrow()
    made = window_aggregate(panes, edited)
    ends = {after(60), after(120)} if size_seconds == 60 else {after(3600)}
    assert {end - timedelta(0) for end in made["window_end"].to_pylist()} == ends
