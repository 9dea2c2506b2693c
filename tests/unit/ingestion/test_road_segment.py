"""Road segments from a segments file, edges and readings."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingestion.road_segment import road_segments
from ingestion.sources import Selection
from specs.arrow import arrow_schema
from specs.errors import WrongInput
from specs.loader import Specs
from specs.sources import SourceSpec

Write = Callable[..., Path]
SEGMENTS = "id,road,km,shape,lat_1,lon_1,lat_2,lon_2"


@pytest.fixture
def folder(write: Write) -> Path:
    write(
        '1,High Street,1.5,"40.0,-73.0 40.5,-73.0 4",,,,',
        "2,,,,0,0,1,0",
        "3,Ring,,,5,5,5,5",
        header=SEGMENTS,
        name="segments.csv",
    )
    write("1,2", "2,2", "2,3", "3,9", "1,3", header="a,b", name="edges.csv")
    # 10, 20 and 30 m/s: the median is 72 km/h; the reading that is no observation counts nowhere.
    return write(
        "1,2018-07-08 12:00:00,10,1,1,1",
        "1,2018-07-08 12:01:00,20,1,1,1",
        "1,2018-07-08 12:02:00,30,1,1,1",
        "1,2018-07-08 12:03:00,50,0,1,1",
        "2,2018-07-08 12:00:00,30,1,1,1",
        "4,2018-07-08 12:05:00,10,1,1,1",
    )


@pytest.fixture
def found(toy: SourceSpec, specs: Specs, folder: Path) -> dict[str, dict[str, Any]]:
    until = datetime(2018, 7, 8, 16, 5, tzinfo=UTC)
    table = road_segments(toy, specs.tables["silver.road_segment"], Selection(folder, end=until))
    assert table.schema.equals(arrow_schema(specs.tables["silver.road_segment"]))
    assert table["segment_id"].to_pylist() == ["toy:1", "toy:2", "toy:3", "toy:4"]
    return {row["segment_id"]: row for row in table.to_pylist()}


def test_a_segment_takes_name_length_and_shape_from_the_file(found: dict[str, Any]) -> None:
    assert found["toy:1"]["name"] == "High Street"
    assert found["toy:1"]["length_m"] == 1500.0
    assert found["toy:1"]["polyline"] == [{"lat": 40.0, "lon": -73.0}, {"lat": 40.5, "lon": -73.0}]
    assert found["toy:1"]["interval_seconds"] == 60
    assert found["toy:1"]["time_zone"] == "America/New_York"


def test_without_a_polyline_it_is_the_straight_line_between_its_ends(found: dict[str, Any]) -> None:
    assert found["toy:2"]["polyline"] == [{"lat": 0.0, "lon": 0.0}, {"lat": 1.0, "lon": 0.0}]
    assert found["toy:2"]["length_m"] == 111_195.1


def test_a_sensor_at_one_point_has_no_length(found: dict[str, Any]) -> None:
    assert found["toy:3"]["polyline"] == [{"lat": 5.0, "lon": 5.0}]
    assert found["toy:3"]["length_m"] is None


def test_neighbours_are_known_segments_other_than_itself(found: dict[str, Any]) -> None:
    assert found["toy:2"]["upstream_segment_ids"] == ["toy:1"]
    assert found["toy:2"]["downstream_segment_ids"] == ["toy:3"]
    assert found["toy:3"]["upstream_segment_ids"] == ["toy:1", "toy:2"]
    assert found["toy:3"]["downstream_segment_ids"] == []


def test_free_flow_is_the_percentile_of_its_observations(found: dict[str, Any]) -> None:
    assert found["toy:1"]["free_flow_speed_kmh"] == 72.0
    assert found["toy:2"]["free_flow_speed_kmh"] == 108.0


def test_readings_of_too_few_vehicles_say_nothing_of_free_flow(
    toy: SourceSpec, specs: Specs, write: Write, folder: Path
) -> None:
    write("1,2018-07-08 12:04:00,60,2,1,1", "2,2018-07-08 12:04:00,20,2,1,1", name="toy2.csv")
    spec = toy.model_dump()
    spec["segments"]["free_flow"]["min_vehicles"] = 2
    table = road_segments(
        SourceSpec.model_validate(spec), specs.tables["silver.road_segment"], Selection(folder)
    )
    assert table["free_flow_speed_kmh"].to_pylist()[:2] == [216.0, 72.0]
    del spec["readings"]["columns"]["vehicle_count"]
    with pytest.raises(ValueError, match="no column is vehicle_count"):
        SourceSpec.model_validate(spec)


def test_a_segment_without_observations_before_the_end_gets_the_median_of_the_others(
    found: dict[str, Any],
) -> None:
    assert found["toy:3"]["free_flow_speed_kmh"] == 90.0  # between 72 and 108
    assert found["toy:4"]["free_flow_speed_kmh"] == 90.0


def test_a_segment_that_only_readings_name_has_a_row(found: dict[str, Any]) -> None:
    assert found["toy:4"]["name"] is None
    assert found["toy:4"]["polyline"] is None
    assert found["toy:4"]["length_m"] is None


def test_a_segment_listed_twice_is_wrong_input(
    toy: SourceSpec, specs: Specs, folder: Path, write: Write
) -> None:
    write("1,A,1,,,,,", "1,B,1,,,,,", header=SEGMENTS, name="segments.csv")
    with pytest.raises(WrongInput, match=r"segments\.csv: id 1 is there twice"):
        road_segments(toy, specs.tables["silver.road_segment"], Selection(folder))


def test_a_segments_file_without_a_mapped_column_is_wrong_input(
    toy: SourceSpec, specs: Specs, folder: Path, write: Write
) -> None:
    write("1", header="id", name="segments.csv")
    with pytest.raises(WrongInput, match=r"segments\.csv: column road \(for name\) is absent"):
        road_segments(toy, specs.tables["silver.road_segment"], Selection(folder))


def test_no_free_flow_at_all_is_wrong_input(toy: SourceSpec, specs: Specs, folder: Path) -> None:
    early = Selection(folder, end=datetime(2018, 1, 1, tzinfo=UTC))
    with pytest.raises(WrongInput, match="no ok speed"):
        road_segments(toy, specs.tables["silver.road_segment"], early)


def test_every_sensor_of_new_york_has_a_row(specs: Specs, caplog: pytest.LogCaptureFixture) -> None:
    found = road_segments(specs.sources["nyc_dot"], specs.tables["silver.road_segment"])
    assert found.num_rows == 138
    assert found["length_m"].null_count == 0
    assert "11 of 138 segments have no ok speed" in caplog.text
