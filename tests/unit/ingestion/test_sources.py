"""A mapping turns a city's file into events: units, zones, statuses, order; or says why not."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.sources import Selection, read_events
from ingestion.traffic_event import event_schema
from specs.errors import SpecError, WrongInput
from specs.loader import Specs, load_file
from specs.sources import SourceSpec
from specs.tables import TopicSpec

Write = Callable[..., Path]
ToyWith = Callable[..., SourceSpec]


def rows(source: SourceSpec, topic: TopicSpec, selection: Selection) -> list[dict[str, Any]]:
    return pa.Table.from_batches(read_events(source, topic, selection)).to_pylist()


def test_units_times_and_ids_are_converted(toy: SourceSpec, topic: TopicSpec, write: Write) -> None:
    # 10 m/s = 36 km/h, 12.5 % = 0.125, 1.5 min = 90 s; noon in New York in July is 16:00 UTC,
    # which is 1 531 065 600 s after the epoch.
    folder = write("007,2018-07-08 12:00:00,10,3,12.5,1.5")
    assert rows(toy, topic, Selection(folder)) == [
        {
            "event_id": "toy:007:1531065600000", "source": "toy", "segment_id": "toy:007",
            "event_time": datetime(2018, 7, 8, 16, tzinfo=UTC), "speed_kmh": 36.0,
            "vehicle_count": 3, "occupancy_ratio": 0.125, "travel_time_s": 90.0, "status": "ok",
            "schema_version": 1,
        }
    ]  # fmt: skip


def test_a_speed_that_is_no_observation_is_null(
    toy: SourceSpec, topic: TopicSpec, write: Write
) -> None:
    folder = write(
        "1,2018-07-08 12:00:00,10,0,5,1",
        "2,2018-07-08 12:00:00,-1,4,5,1",
        "3,2018-07-08 12:00:00,,4,5,1",
        "4,2018-07-08 12:00:00,-1,0,5,1",
    )
    found = rows(toy, topic, Selection(folder))
    statuses = [row["status"] for row in found]
    assert statuses == ["carried_forward", "missing", "missing", "carried_forward"]
    assert {row["speed_kmh"] for row in found} == {None}
    assert {row["travel_time_s"] for row in found} == {None}
    assert [row["vehicle_count"] for row in found] == [0, 4, 4, 0]


def test_a_speed_that_is_not_a_number_is_missing(
    toy: SourceSpec, topic: TopicSpec, tmp_path: Path
) -> None:
    table = pa.table({
        "id": ["a", "b"], "at": pa.array([0, 0], pa.timestamp("ms")),
        "speed": [float("nan"), float("inf")], "cars": [1, 1], "busy": [1.0, 1.0],
        "minutes": [1.0, 1.0],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "x.parquet")
    found = rows(toy, topic, Selection(files=(tmp_path / "x.parquet",)))
    assert [(row["status"], row["speed_kmh"]) for row in found] == [("missing", None)] * 2


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        ("America/New_York", "2018-03-11 01:59:59", "06:59:59"),
        ("America/New_York", "2018-03-11 02:30:00", "07:30:00"),  # does not exist: 03:30 EDT
        ("America/New_York", "2018-03-11 03:00:00", "07:00:00"),
        ("America/New_York", "2018-11-04 00:59:59", "04:59:59"),
        ("America/New_York", "2018-11-04 01:30:00", "05:30:00"),  # happens twice: the first, EDT
        ("America/New_York", "2018-11-04 02:00:00", "07:00:00"),
        ("Europe/Copenhagen", "2014-03-30 02:30:00", "01:30:00"),  # does not exist: 03:30 CEST
        ("Europe/Copenhagen", "2014-10-26 02:30:00", "00:30:00"),  # the first, CEST
        ("Europe/Copenhagen", "2014-10-26 03:00:00", "02:00:00"),
        ("America/Los_Angeles", "2012-03-11 02:30:00", "10:30:00"),
        ("America/Los_Angeles", "2012-11-04 01:59:59", "08:59:59"),
        ("America/Los_Angeles", "2012-11-04 02:00:00", "10:00:00"),
        ("Asia/Kolkata", "2018-01-01 12:00:00", "06:30:00"),
    ],
)
def test_local_times_become_utc_on_the_days_clocks_change(
    toy_with: ToyWith, topic: TopicSpec, write: Write, zone: str, local: str, utc: str
) -> None:
    source = toy_with(event_time={"column": "at", "time_zone": zone})
    (row,) = rows(source, topic, Selection(write(f"1,{local},10,1,1,1")))
    expected = datetime.fromisoformat(f"{local[:10]}T{utc}+00:00")
    assert row["event_time"] == expected
    assert row["event_id"] == f"toy:1:{round(expected.timestamp() * 1000)}"


def test_a_time_with_an_offset_ignores_the_zone(
    toy: SourceSpec, topic: TopicSpec, write: Write
) -> None:
    (row,) = rows(toy, topic, Selection(write("1,2018-07-08T12:00:00+02:00,10,1,1,1")))
    assert row["event_time"] == datetime(2018, 7, 8, 10, tzinfo=UTC)


def test_events_come_in_time_order_over_files_with_ties_by_segment(
    toy: SourceSpec, topic: TopicSpec, write: Write
) -> None:
    write("b,2018-07-08 12:01:00,10,1,1,1", "b,2018-07-08 12:00:00,10,1,1,1", name="toy_1.csv")
    folder = write("a,2018-07-08 12:01:00,10,1,1,1", "c,2018-07-08 11:59:00,10,1,1,1")
    found = rows(toy, topic, Selection(folder))
    assert [row["segment_id"] for row in found] == ["toy:c", "toy:b", "toy:a", "toy:b"]


def test_a_range_is_half_open(toy: SourceSpec, topic: TopicSpec, write: Write) -> None:
    folder = write(*(f"1,2018-07-08 12:0{minute}:00,10,1,1,1" for minute in range(5)))
    start, end = datetime(2018, 7, 8, 16, 1, tzinfo=UTC), datetime(2018, 7, 8, 16, 3, tzinfo=UTC)
    found = rows(toy, topic, Selection(folder, start=start, end=end))
    assert [row["event_time"].minute for row in found] == [1, 2]


def test_batches_are_bounded_and_have_the_columns_of_the_topic(
    toy: SourceSpec, topic: TopicSpec, write: Write
) -> None:
    lines = [f"{n},2018-07-08 12:00:00,10,1,1,1" for n in range(5000)]
    batches = list(read_events(toy, topic, Selection(write(*lines)), batch_rows=2048))
    assert [batch.num_rows for batch in batches] == [2048, 2048, 904]
    assert all(batch.schema.equals(event_schema(topic)) for batch in batches)


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        ("id,at,v,cars,busy,minutes", "1,2018-07-08 12:00:00,1,1,1,1",
         r"toy\.csv: column speed \(for speed_kmh\) is absent; the file has id, at, v"),
        ("id,at,speed,cars,busy,minutes", "1,2018-07-08 12:00:00,fast,1,1,1",
         r"toy\.csv: column speed \(for speed_kmh\) is VARCHAR"),
        ("id,at,speed,cars,busy,minutes", "1,yesterday,1,1,1,1",
         r"toy\.csv: column at \(for event_time\) is VARCHAR, expected TIMESTAMP"),
        ("id,at,speed,cars,busy,minutes", "1,1531065600,1,1,1,1",
         r"toy\.csv: column at \(for event_time\) is BIGINT"),
        ("id,at,speed,cars,busy,minutes", ",2018-07-08 12:00:00,1,1,1,1",
         r"toy\.csv: column id is empty in 1 rows"),
        ("id,at,speed,cars,busy,minutes", "1,2018-07-08 12:00:00,1,1,1,1\n1,,1,1,1,1",
         r"toy\.csv: column at is empty in 1 rows"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_wrong_input_naming_file_column_and_reason(
    toy: SourceSpec, topic: TopicSpec, write: Write, header: str, line: str, message: str
) -> None:
    with pytest.raises(WrongInput, match=message) as caught:
        read_events(toy, topic, Selection(write(line, header=header)))
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_a_status_rule_that_is_no_condition_names_the_rule_and_the_reason(
    toy_with: ToyWith, topic: TopicSpec, write: Write
) -> None:
    source = toy_with(status=[{"value": "missing", "when": "velocity <= 0"}])
    folder = write("1,2018-07-08 12:00:00,10,1,1,1")
    with pytest.raises(WrongInput, match=r"status missing: condition 'velocity <= 0' is invalid"):
        read_events(source, topic, Selection(folder))


def test_files_that_are_absent_unreadable_or_of_no_known_kind_are_wrong_input(
    toy: SourceSpec, topic: TopicSpec, tmp_path: Path
) -> None:
    with pytest.raises(WrongInput, match=r"toy: no file matches toy\*\.csv"):
        read_events(toy, topic, Selection(tmp_path))
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"no parquet")
    with pytest.raises(WrongInput, match=r"broken\.parquet: cannot be read"):
        read_events(toy, topic, Selection(files=(broken,)))
    with pytest.raises(WrongInput, match=r"cannot read \.xlsx"):
        read_events(toy, topic, Selection(files=(tmp_path / "a.xlsx",)))


def test_an_empty_selection_is_wrong_input(toy: SourceSpec, topic: TopicSpec, write: Write) -> None:
    folder = write("1,2018-07-08 12:00:00,10,1,1,1")
    with pytest.raises(WrongInput, match="no reading from 2019-01-01"):
        read_events(toy, topic, Selection(folder, start=datetime(2019, 1, 1, tzinfo=UTC)))
    with pytest.raises(WrongInput, match="needs an offset"):
        Selection(folder, start=datetime(2019, 1, 1))


def test_the_simulator_has_nothing_to_replay(specs: Specs, topic: TopicSpec) -> None:
    with pytest.raises(WrongInput, match="simulator has no readings"):
        read_events(specs.sources["simulator"], topic)


def test_a_unit_of_another_quantity_is_a_spec_error(toy: SourceSpec, tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(path.read_text().replace("unit: m/s", "unit: min"))
    with pytest.raises(SpecError, match="speed_kmh: unit min is none of km/h, mph, m/s"):
        load_file(path, SourceSpec)


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv.gz", "parquet"])
def test_other_endings_give_the_same_events(
    toy: SourceSpec, topic: TopicSpec, write: Write, tmp_path: Path, ending: str
) -> None:
    folder = write("x1,2018-07-08 12:00:00,10,3,12.5,1.5")
    other = tmp_path / f"other.{ending}"
    kind = {"csv.gz": "csv", "parquet": "parquet"}.get(ending, "json")
    with duckdb.connect() as connection:
        connection.execute(f"COPY (FROM '{folder / 'toy.csv'}') TO '{other}' (FORMAT {kind})")
    assert rows(toy, topic, Selection(files=(other,))) == rows(toy, topic, Selection(folder))


def test_what_ships_are_two_weeks_of_new_york(specs: Specs, topic: TopicSpec) -> None:
    batches = list(read_events(specs.sources["nyc_dot"], topic))
    times = [batch.column("event_time") for batch in batches]
    # 5 March 2018 00:00 in New York is 05:00 UTC; 19 March 00:00 is 04:00 UTC, in summer time.
    assert times[0][0].as_py() >= datetime(2018, 3, 5, 5, tzinfo=UTC)
    assert times[-1][-1].as_py() < datetime(2018, 3, 19, 4, tzinfo=UTC)
    assert sum(batch.num_rows for batch in batches) == 541_386
