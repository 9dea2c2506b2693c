"""`traffic specs new-city`: what a file tells is drafted, what it does not is asked or marked."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingestion.source_draft import unit_of
from ingestion.source_look import Column, guesses
from ingestion.sources import DATA_FOLDER, Selection, read_events
from lakehouse.commands.specs import app
from specs.errors import SpecError, TrafficError, WrongInput
from specs.loader import Specs, load_file
from specs.sources import SourceSpec
from tests.edited_specs import edited_folder

NYC = DATA_FOLDER / "nyc_dot" / "link_speed_2018-03-05_2018-03-18.parquet"
ANSWERS = [
    "--name", "bigtown", "--time-zone", "America/New_York", "--description", "Links.",
    "--attribution", "The city.",
]  # fmt: skip

LOCAL = """\
station,when,avg_speed,cars,occ
a,2024-01-01 00:00:00,50.5,3,12.5
a,2024-01-01 00:01:00,48.0,0,10
a,2024-01-01 00:02:00,0,0,0
b,2024-01-01 00:00:00,60.0,2,1
b,2024-01-01 00:01:00,,1,1
b,2024-01-01 00:05:00,61.5,2,1
b,2024-01-01 00:05:00,61.5,2,1
"""


def drafted(*arguments: str | Path) -> tuple[str, str]:
    done = CliRunner().invoke(app, ["new-city", *map(str, arguments)])
    assert done.exit_code == 0, done.exception
    return done.stdout, done.stderr


@pytest.fixture
def local(tmp_path: Path) -> Path:
    file = tmp_path / "Small Town-24.csv"
    file.write_text(LOCAL)
    return file


def test_a_draft_whose_open_places_are_filled_in_reads_the_file_as_the_shipped_spec_does(
    tmp_path: Path, specs: Specs
) -> None:
    text, told = drafted(NYC, "--segments", NYC.with_name("links.parquet"), *ANSWERS)
    assert told.startswith('fill in: - {value: missing, when: "?"}  # a condition on status (0 in')
    assert len(told.splitlines()) == 1
    file = tmp_path / "bigtown.yaml"
    file.write_text(text)
    with pytest.raises(
        SpecError, match=r'still open, fill in what is "\?": readings.status.0.when'
    ):
        load_file(file, SourceSpec)
    file.write_text(text.replace('when: "?"', 'when: "status <> 0"'))
    made, shipped = load_file(file, SourceSpec), specs.sources["nyc_dot"]
    assert made.interval_seconds == shipped.interval_seconds == 300
    assert made.segments is not None
    assert made.segments.columns.polyline is not None
    topic, day = specs.topics["traffic_event"], Selection()
    ours = next(read_events(made, topic, day)).to_pylist()
    theirs = next(read_events(shipped, topic, day)).to_pylist()
    for one, other in zip(ours, theirs, strict=True):
        assert one["event_time"] == other["event_time"]
        assert (one["speed_kmh"], one["status"]) == (other["speed_kmh"], other["status"])
        assert one["segment_id"] == other["segment_id"].replace("nyc_dot:", "bigtown:")


def test_what_a_file_does_not_tell_is_marked(local: Path) -> None:
    text, told = drafted(local)
    lines = [line.partition("  # ")[0] for line in text.splitlines()]
    assert 'source: "small_town_24"' in lines
    assert 'time_zone: "?"' in lines
    assert '    event_time: {column: "when", time_zone: "?"}' in lines
    assert '    speed_kmh: {column: "avg_speed", unit: "?"}' in lines
    assert '    occupancy_ratio: {column: "occ", unit: "percent"}' in lines
    assert "half are up to 55.25, all up to 61.5" in text
    assert [line.split(": ")[1] for line in told.splitlines()] == [
        "description", "attribution", "time_zone", "event_time", "speed_kmh", "file", "columns",
    ]  # fmt: skip


def test_gaps_repeats_and_what_is_no_observation_are_counted(local: Path) -> None:
    text, _ = drafted(local)
    assert "interval_seconds: 60" in text
    assert "2 segments from 2024-01-01 00:00:00 to 2024-01-01 00:05:00" in text
    assert "25.0% of the" in text  # one of four intervals: 00:01 to 00:05
    assert "240 s; 1 rows repeat another's time" in text
    assert 'when: "avg_speed IS NULL OR avg_speed <= 0"}  # 2 rows' in text


def test_a_speed_of_no_vehicle_may_be_an_old_one(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("id,ts,speed_kmh,vehicle_count\n" + "a,2024-01-01T00:00:00Z,50,0\n" * 3)
    text, _ = drafted(file)
    assert '{value: carried_forward, when: "vehicle_count = 0"}  # 3 rows give' in text
    assert 'event_time: {column: "ts"}' in text


def test_the_check_refuses_a_draft_and_names_every_open_place(
    local: Path, tmp_path: Path, specs: Specs
) -> None:
    text, _ = drafted(local)
    folder = edited_folder(tmp_path)
    (folder / "sources" / "small.yaml").write_text(text)
    done = CliRunner().invoke(app, ["check", str(folder)])
    assert isinstance(done.exception, SpecError)
    for place in ("description", "time_zone", "readings.columns.speed_kmh.unit", "segments.file"):
        assert place in str(done.exception)


@pytest.mark.parametrize(("field", "column", "unit"), [
    ("speed_kmh", "speed_mph", "mph"), ("speed_kmh", "SpeedKMH", "km/h"),
    ("speed_kmh", "v_ms", "m/s"), ("speed_kmh", "speed", "?"), ("travel_time_s", "tt_min", "min"),
    ("travel_time_s", "duration", "?"), ("vehicle_count", "q", "vehicles"),
    ("length_m", "length_km", "km"),
])  # fmt: skip
def test_units_are_read_from_names_or_left_open(field: str, column: str, unit: str) -> None:
    seen = Column(column, "DOUBLE", 0, 9, 1.0, 40.0, 99.0)
    assert unit_of(field, seen)[0] == unit


def test_an_id_of_each_row_is_no_segment() -> None:
    columns = (
        Column("id", "BIGINT", 0, 1000, 1, None, 1000),
        Column("link_id", "BIGINT", 0, 12, 1, None, 12),
        Column("ts", "TIMESTAMP", 0, 80, None, None, None),
    )
    assert guesses(columns, 1000)["segment_id"] == ("link_id",)
    assert guesses(columns[:1], 1000)["segment_id"] == ("id",)


BAD: dict[str, tuple[str, str, str]] = {
    "an absent file": ("gone.csv", "", "there is no such file"),
    "another ending": ("x.xlsx", "a", "cannot read .xlsx; use .parquet, .csv"),
    "an empty file": ("x.csv", "", "holds no row"),
    "a head alone": ("x.csv", "id,ts,speed\n", "holds no row"),
    "no column of times": (
        "x.csv", "id,when,speed\na,noon,3\n", "no column is a time (write it as ISO 8601); it has"),
    "no Parquet": ("x.parquet", "PAR1 not really", "cannot be read"),
    "bytes": ("x.csv", "\x00\x01\x02", ""),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_one_line_and_exit_2(what: str, tmp_path: Path) -> None:
    name, content, message = BAD[what]
    file = tmp_path / name
    if what != "an absent file":
        file.write_text(content)
    done = CliRunner().invoke(app, ["new-city", str(file)])
    assert isinstance(done.exception, TrafficError), done.output
    assert done.exception.exit_code == 2
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)
    assert done.stdout == ""


@pytest.mark.parametrize(("option", "value", "message"), [
    ("--name", "Big Town", "cannot be named 'Big Town'"),
    ("--time-zone", "Mars/Base", "'Mars/Base' is no time zone"),
    ("--speed-unit", "knots", "speed unit 'knots' is none of km/h, mph, m/s"),
])  # fmt: skip
def test_an_impossible_answer_is_refused(
    option: str, value: str, message: str, local: Path
) -> None:
    done = CliRunner().invoke(app, ["new-city", str(local), option, value])
    assert isinstance(done.exception, WrongInput)
    assert message in str(done.exception)


def test_on_a_terminal_it_asks(local: Path) -> None:
    keyboard, terminal = pty.openpty()
    os.write(keyboard, b"Two stations.\nThe town.\nEurope/Paris\nUTC\n\n")
    done = subprocess.run(
        [sys.executable, "-m", "lakehouse", "specs", "new-city", str(local)], stdin=terminal,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    os.close(keyboard)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    assert 'description: "Two stations."' in done.stdout
    assert 'time_zone: "UTC"}' in done.stdout
    assert 'unit: "?"' in done.stdout
    assert "Whose data is it" in done.stderr


def test_a_draft_with_all_answers_is_accepted_beside_the_others(
    local: Path, tmp_path: Path
) -> None:
    (tmp_path / "links.csv").write_text("station,name,lat,lon\na,A,1.0,2.0\nb,B,1.1,2.0\n")
    text, told = drafted(
        local, "--segments", tmp_path / "links.csv", *ANSWERS, "--times-in", "UTC",
        "--speed-unit", "mph",
    )  # fmt: skip
    assert told == ""
    folder = edited_folder(tmp_path)
    (folder / "sources" / "bigtown.yaml").write_text(text)
    done = CliRunner().invoke(app, ["check", str(folder)])
    assert done.exit_code == 0, done.exception
    assert "5 sources agree" in done.stdout
