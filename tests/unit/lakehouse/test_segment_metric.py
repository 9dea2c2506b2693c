"""Sums of a window to speeds, delays, levels and flags; the numbers are worked by hand."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.transforms.segment_metric import SEGMENT_COLUMNS, segment_metric
from specs.arrow import arrow_schema
from specs.errors import SpecError
from specs.loader import Specs, load_specs
from tests.aggregates import Observation, aggregate, aggregates
from tests.edited_specs import Edit, edited_specs
from tests.rows import after, segment

SPECS = load_specs()
AT = datetime(2018, 3, 5, 1, tzinfo=UTC)
NEVER = datetime(2018, 1, 1, tzinfo=UTC)


def roads(**other: Any) -> pa.Table:
    schema = arrow_schema(SPECS.tables["silver.road_segment"])
    return pa.Table.from_pylist([segment(**other)], schema=schema).select(SEGMENT_COLUMNS)


def metric(
    *observations: Observation, road: dict[str, Any] | None = None, specs: Specs = SPECS,
    watermark: datetime = NEVER, **window: Any,
) -> dict[str, Any]:  # fmt: skip
    """The silver row of one window of 300 s, of a road of 1 km with 90 km/h and 60 s."""
    sums = aggregates([aggregate(observations, specs.transforms.histogram, **window)])
    made = segment_metric(sums, roads(**(road or {})), specs, watermark=watermark, at=AT)
    assert made.schema == arrow_schema(specs.tables["silver.segment_metric"])
    [row] = made.to_pylist()
    return dict(row)


def steady(speed_kmh: float, readings: int = 3, **other: Any) -> dict[str, Any]:
    """A window of readings at one speed; the default three are enough to be complete."""
    return metric(*[Observation(speed_kmh)] * readings, **other)


def flags(row: dict[str, Any]) -> list[str]:
    return [*row["detector_health"], *row["anomalies"]]


def test_a_window_of_two_readings() -> None:
    # Pace 60 and 120 ms a metre, once and thrice: 420 / 4 = 105 ms a metre, 34.2857 km/h.
    row = metric(Observation(60, 1, 0.1, 60), Observation(30, 3, 0.3, 120), without_speed=1)
    assert row.pop("speed_kmh_harmonic") == pytest.approx(3600 / 105)
    assert row.pop("travel_time_index") == pytest.approx(90 * 105 / 3600)  # 2.625
    assert row.pop("delay_s") == pytest.approx(105 - 40)
    assert row.pop("vehicle_delay_h") == pytest.approx(65 * 4 / 3600)
    assert [row.pop(f"speed_kmh_{p}") for p in ("p15", "p50", "p85")] == [34.5, 45.0, 55.5]
    assert row == {
        "segment_id": "s:a", "source": "s", "window_seconds": 300, "window_start": after(0),
        "window_end": after(300), "window_date": date(2018, 3, 5), "local_date": date(2018, 3, 5),
        "local_hour": 0, "event_count": 3, "observation_count": 2, "vehicle_count": 4,
        "speed_kmh_mean": 45.0,
        "speed_kmh_min": 30.0, "speed_kmh_max": 60.0, "speed_kmh_stddev": 15.0,
        "occupancy_ratio_mean": 0.2, "travel_time_s_mean": 90.0, "congestion_level": "heavy",
        "is_congested": True, "completeness_ratio": 0.4, "detector_health": ["insufficient_data"],
        "anomalies": [], "is_final": False, "revision": 0, "kafka_timestamp_max": after(1),
        "committed_at": AT,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("start", "day", "hour"),
    [
        ("2018-03-11T04:59", 10, 23),
        ("2018-03-11T05:00", 11, 0),
        ("2018-03-11T06:59", 11, 1),
        ("2018-03-11T07:00", 11, 3),  # summer time has begun
    ],
)
def test_day_and_hour_are_those_of_the_citys_clock_at_the_windows_start(
    start: str, day: int, hour: int
) -> None:
    end = datetime.fromisoformat(f"{start}:00+00:00") + timedelta(minutes=5)
    row = steady(45, road={"time_zone": "America/New_York"}, window_end=end)
    assert (row["local_date"], row["local_hour"]) == (date(2018, 3, day), hour)


def test_readings_without_a_count_weigh_the_same() -> None:
    row = metric(Observation(60), Observation(30))
    assert row["speed_kmh_harmonic"] == pytest.approx(40)  # 2 / (1/60 + 1/30)
    assert (row["vehicle_count"], row["vehicle_delay_h"]) == (None, None)
    assert row["delay_s"] == pytest.approx(90 - 40)


def test_a_reading_of_no_vehicle_weighs_one() -> None:
    row = metric(Observation(60, 0), Observation(30, 0))
    assert row["speed_kmh_harmonic"] == pytest.approx(40)
    assert (row["vehicle_count"], row["vehicle_delay_h"]) == (0, 0.0)


def test_the_spread_of_close_speeds_is_exact() -> None:
    row = metric(Observation(100.001), Observation(99.999))
    assert row["speed_kmh_stddev"] == pytest.approx(0.001, rel=1e-9)


def test_traffic_faster_than_free_flow_has_no_delay_and_an_index_of_one() -> None:
    row = steady(100)
    assert (row["travel_time_index"], row["delay_s"]) == (1.0, 0.0)


def test_a_road_of_unknown_length_has_no_delay_of_its_own() -> None:
    row = steady(45, road={"length_m": None})
    assert (row["delay_s"], row["vehicle_delay_h"]) == (None, None)
    assert row["travel_time_index"] == 2.0


def test_a_window_without_an_observation_says_nothing_about_speed() -> None:
    row = metric(without_speed=2)
    silent = {name for name, value in row.items() if value is None}
    assert silent == {
        "vehicle_count", "speed_kmh_mean", "speed_kmh_harmonic", "speed_kmh_min", "speed_kmh_max",
        "speed_kmh_stddev", "speed_kmh_p15", "speed_kmh_p50", "speed_kmh_p85",
        "occupancy_ratio_mean", "travel_time_s_mean", "travel_time_index", "delay_s",
        "vehicle_delay_h", "congestion_level", "is_congested",
    }  # fmt: skip
    assert (row["event_count"], row["observation_count"], row["completeness_ratio"]) == (2, 0, 0.0)
    assert row["detector_health"] == ["no_data"]


@pytest.mark.parametrize(
    ("speed_kmh", "level"),
    [
        (39.999, "severe"), (40, "heavy"), (59.999, "heavy"), (60, "moderate"),
        (79.999, "moderate"), (80, "free"), (130, "free"),
    ],
)  # fmt: skip
def test_a_level_holds_below_its_bound(speed_kmh: float, level: str) -> None:
    row = steady(speed_kmh, road={"free_flow_speed_kmh": 100.0})
    assert row["congestion_level"] == level
    assert row["is_congested"] == (speed_kmh < 60)


@pytest.mark.parametrize(
    ("readings", "interval_seconds", "ratio"),
    [(1, 60, 0.2), (5, 60, 1.0), (7, 60, 1.0), (1, 300, 1.0), (1, 600, 1.0), (2, 90, 0.6)],
)
def test_completeness_is_of_what_the_interval_promises(
    readings: int, interval_seconds: int, ratio: float
) -> None:
    row = steady(50, readings, road={"interval_seconds": interval_seconds})
    assert row["completeness_ratio"] == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("flag", "raised", "silent"),
    [
        ("no_data", metric(without_speed=1), steady(50, 1)),
        ("insufficient_data", steady(50, 2), steady(50, 3)),
        ("constant", steady(50, 5), steady(50, 4)),
        ("constant", steady(50, 5), metric(*[Observation(50)] * 4, Observation(50.001))),
        ("too_high", steady(160.001), steady(160)),
        (
            "flow_occupancy_mismatch",
            metric(Observation(50, 1, 0.0)), metric(Observation(50, 1, 0.000001)),
        ),
        (
            "flow_occupancy_mismatch",
            metric(Observation(50, 1, 0.0)), metric(Observation(50, 0, 0.0)),
        ),
        ("flow_occupancy_mismatch", metric(Observation(50, 1, 0.0)), metric(Observation(50, 1))),
        # Mean 28, spread 36; mean 32.5, spread 38.97 of four readings only.
        (
            "wide_spread",
            metric(*[Observation(10)] * 4, Observation(100)),
            metric(*[Observation(10)] * 3, Observation(100)),
        ),
        # Speeds 1, 1, 1, 1, 3.5: mean 1.5, spread 1.0. Speeds 4, 4, 4, 4, 9: mean 5, spread 2.
        (
            "wide_spread",
            metric(*[Observation(1)] * 4, Observation(3.5)),
            metric(*[Observation(4)] * 4, Observation(9)),
        ),
        ("above_free_flow", steady(135.001), steady(135)),
        ("standstill", steady(8.999), steady(9)),
        ("excess_events", steady(50, 16), steady(50, 15)),
        ("excess_events", metric(without_speed=16), steady(50, 3, road={"interval_seconds": 301})),
    ],
)  # fmt: skip
def test_a_flag_is_raised_past_its_bound_and_not_on_it(
    flag: str, raised: dict[str, Any], silent: dict[str, Any]
) -> None:
    assert flag in flags(raised)
    assert flag not in flags(silent)


def test_flags_come_in_the_order_of_the_spec() -> None:
    row = steady(200, 16)
    assert row["detector_health"] == ["constant", "too_high"]
    assert row["anomalies"] == ["above_free_flow", "excess_events"]


@pytest.mark.parametrize(("seconds", "is_final"), [(300, True), (299.999999, False), (301, True)])
def test_a_window_is_final_once_the_watermark_has_reached_its_end(
    seconds: float, is_final: bool
) -> None:
    assert steady(50, watermark=after(seconds))["is_final"] is is_final


def test_a_window_that_begins_before_midnight_belongs_to_that_day() -> None:
    row = steady(50, window_end=after(0))
    assert (row["window_start"], row["window_date"]) == (after(-300), date(2018, 3, 4))


def test_rows_are_in_the_order_of_the_key() -> None:
    histogram = SPECS.transforms.histogram
    sums = [
        aggregate([Observation(50)], histogram, window_seconds=size, window_end=after(end))
        for size, end in ((900, 900), (300, 900), (300, 600))
    ]
    made = segment_metric(aggregates(sums), roads(), SPECS, watermark=NEVER, at=AT)
    keys = zip(made["window_seconds"].to_pylist(), made["window_start"].to_pylist(), strict=True)
    assert list(keys) == [(300, after(300)), (300, after(600)), (900, after(0))]


def test_a_segment_that_is_not_registered_is_refused() -> None:
    sums = aggregates([aggregate([Observation(50)], SPECS.transforms.histogram, segment_id="s:b")])
    with pytest.raises(SpecError, match=r"without a row in silver.road_segment: \['s:b'\]"):
        segment_metric(sums, roads(), SPECS, watermark=NEVER, at=AT)


def test_a_wrong_expression_is_refused_with_the_database_s_own_words(tmp_path: Path) -> None:
    edit = ("transforms.yaml", '"speed_min / 1000"', '"speed_lowest / 1000"')
    wrong = edited_specs(tmp_path, edit)
    with pytest.raises(SpecError, match="speed_lowest"):
        steady(50, specs=wrong)


EDITS: dict[str, tuple[Edit, str, object, object]] = {
    "a level's bound": (
        ("transforms.yaml", "level: severe, below: 0.4", "level: severe, below: 0.55"),
        "congestion_level", "heavy", "severe",
    ),
    "the label's ratio": (
        ("ml.yaml", "congested_below_ratio: 0.6", "congested_below_ratio: 0.5"),
        "is_congested", True, False,
    ),
    "a health rule": (
        ("transforms.yaml", "speed_kmh_mean > 160", "speed_kmh_mean > 44"),
        "detector_health", [], ["too_high"],
    ),
    "an anomaly rule": (
        ("transforms.yaml", "speed_kmh_mean < 0.1 *", "speed_kmh_mean < 0.6 *"),
        "anomalies", [], ["standstill"],
    ),
    "a derived column": (
        ("transforms.yaml", '"speed_max / 1000"', '"speed_max / 1000 + 1"'),
        "speed_kmh_max", 45.0, 46.0,
    ),
    "a percentile": (
        ("transforms.yaml", 'name: speed_kmh_p85, expr: "speed_milli_p85 / 1000"',
         'name: speed_kmh_p85, expr: "speed_milli_p85 / 100"'),
        "speed_kmh_p85", 45.0, 450.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_an_edited_spec_changes_the_result_with_no_code_edit(what: str, tmp_path: Path) -> None:
    edit, column, before, then = EDITS[what]
    assert steady(45)[column] == before
    assert steady(45, specs=edited_specs(tmp_path, edit))[column] == then
