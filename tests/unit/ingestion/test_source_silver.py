import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingestion.source_silver import SourceSilver, observed_time, source_silver
from ingestion.sources import Selection
from specs.errors import WrongInput
from specs.loader import Specs, load_specs
from specs.ml import SourceTarget
from specs.sources import SourceSpec

HEADER = "id,at,speed,cars,busy,minutes"
SEGMENTS = "id,road,km,shape,lat_1,lon_1,lat_2,lon_2\n7,Main Street,1.5,,40.0,-73.0,40.1,-73.0\n"


@pytest.fixture
def specs(toy: SourceSpec) -> Specs:
    return dataclasses.replace(load_specs(), sources={"toy": toy})


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2018, 3, 5, hour, minute, tzinfo=UTC)


@pytest.fixture
def made(specs: Specs, tmp_path: Path) -> Callable[..., SourceSilver]:
    """Silver of readings at New York's 07:00 and later, 12:00 UTC."""

    def make(*lines: str, until: datetime | None = None) -> SourceSilver:
        (tmp_path / "toy1.csv").write_text("\n".join([HEADER, *lines, ""]))
        (tmp_path / "segments.csv").write_text(SEGMENTS)
        (tmp_path / "edges.csv").write_text("a,b\n7,7\n")
        return source_silver(specs, "toy", Selection(tmp_path), free_flow_until=until)

    return make


def test_readings_become_windows_by_the_stream_s_transforms(
    made: Callable[..., SourceSilver],
) -> None:
    silver = made(
        "7,2018-03-05 07:00:00,10,2,5,1",
        "7,2018-03-05 07:04:59,20,2,5,1",
        "7,2018-03-05 07:05:00,15,0,5,1",
    ).metrics.to_pylist()
    assert [(row["window_start"], row["observation_count"]) for row in silver] == [
        (at(12), 2), (at(12, 5), 0),
    ]  # fmt: skip
    assert silver[0]["speed_kmh_mean"] == 54.0
    assert silver[1]["speed_kmh_mean"] is None  # no car, so the speed was carried forward
    assert {row["window_seconds"] for row in silver} == {300}


def test_a_reading_that_breaks_a_row_rule_is_left_out(made: Callable[..., SourceSilver]) -> None:
    silver = made("7,2018-03-05 07:00:00,10,2,5,1", "7,2018-03-05 07:01:00,100,2,5,1").metrics
    assert silver["speed_kmh_mean"].to_pylist() == [36.0]  # 360 km/h is past speed_in_range


def test_a_reading_that_is_there_twice_counts_once(made: Callable[..., SourceSilver]) -> None:
    line = "7,2018-03-05 07:00:00,10,2,5,1"
    assert made(line, line).metrics["event_count"].to_pylist() == [1]


def test_free_flow_knows_nothing_of_the_tested_time(made: Callable[..., SourceSilver]) -> None:
    lines = "7,2018-03-05 07:00:00,10,2,5,1", "7,2018-03-05 08:00:00,30,2,5,1"
    assert made(*lines, until=at(13)).segments["free_flow_speed_kmh"].to_pylist() == [36.0]
    assert made(*lines).segments["free_flow_speed_kmh"].to_pylist() == [72.0]


def test_the_observed_time_is_that_of_the_readings(
    made: Callable[..., SourceSilver], specs: Specs, tmp_path: Path
) -> None:
    made("7,2018-03-05 07:04:00,10,2,5,1", "7,2018-03-05 07:11:00,30,2,5,1")
    starts = observed_time(specs, "toy", Selection(tmp_path))["window_start"].to_pylist()
    assert sorted(starts) == [at(12), at(12, 10)]


def test_a_source_s_own_targets_are_whole_where_a_month_of_readings_ends(
    specs: Specs, tmp_path: Path, made: Callable[..., SourceSilver]
) -> None:
    # 31 days from 5 March on are read at once: they end between the second reading and the third.
    made(
        "7,2018-03-05 07:00:00,10,2,5,1",
        "7,2018-04-04 19:50:00,10,2,5,1",
        "7,2018-04-04 20:01:00,20,2,5,1",
    )
    quarter = SourceTarget(source="toy", window="quarter_hour_sliding", min_vehicles=3)
    ml = specs.ml.model_copy(update={"targets": (quarter,)})
    columns = ["window_seconds", "window_start", "vehicle_count"]
    silver = source_silver(
        dataclasses.replace(specs, ml=ml), "toy", Selection(tmp_path), columns=columns
    ).metrics
    assert silver.column_names == columns
    midnight = datetime(2018, 4, 5, tzinfo=UTC)
    found = [
        (seconds, int((start - midnight).total_seconds()) // 60, vehicles)
        for seconds, start, vehicles in zip(*silver.to_pydict().values(), strict=True)
        if start.month == 4
    ]
    assert sorted(found) == [
        (300, -10, 2), (300, 0, 2),
        (900, -20, 2), (900, -15, 2), (900, -10, 4), (900, -5, 2), (900, 0, 2),
    ]  # fmt: skip


def test_an_unknown_source_is_refused_by_name(specs: Specs, tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="no source gotham; specs/sources has toy"):
        source_silver(specs, "gotham", Selection(tmp_path))
