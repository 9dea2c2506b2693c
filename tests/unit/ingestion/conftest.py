"""A small source of its own, read from CSV, and events to disturb."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from ingestion.traffic_event import event_schema
from specs.loader import Specs, load_file
from specs.sources import SourceSpec
from specs.tables import TopicSpec

TOY = """
source: toy
description: A toy.
attribution: Nobody.
time_zone: America/New_York
valid_from: 2010-01-01T00:00:00Z
interval_seconds: 60
readings:
  files: ["toy*.csv"]
  columns:
    segment_id: {column: id}
    event_time: {column: at}
    speed_kmh: {column: speed, unit: m/s}
    vehicle_count: {column: cars, unit: vehicles}
    occupancy_ratio: {column: busy, unit: percent}
    travel_time_s: {column: minutes, unit: min}
  status:
    - {value: carried_forward, when: "cars = 0"}
    - {value: missing, when: "speed < 0"}
segments:
  file: segments.csv
  columns:
    segment_id: {column: id}
    name: {column: road}
    length_m: {column: km, unit: km}
    polyline: {column: shape, format: "lat,lon lat,lon"}
    from_lat: {column: lat_1}
    from_lon: {column: lon_1}
    to_lat: {column: lat_2}
    to_lon: {column: lon_2}
  edges: {file: edges.csv, upstream: a, downstream: b}
  free_flow: {percentile: 0.5}
"""

HEADER = "id,at,speed,cars,busy,minutes"


@pytest.fixture
def toy(tmp_path: Path) -> SourceSpec:
    path = tmp_path / "toy.yaml"
    path.write_text(TOY)
    return load_file(path, SourceSpec)


@pytest.fixture
def toy_with(tmp_path: Path) -> Callable[..., SourceSpec]:
    """The toy source with other reading columns or status rules."""

    def make(**readings: object) -> SourceSpec:
        spec = yaml.safe_load(TOY)
        status = readings.pop("status", spec["readings"]["status"])
        spec["readings"]["columns"].update(readings)
        spec["readings"]["status"] = status
        return SourceSpec.model_validate(spec)

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write CSV lines below the toy's header into the data folder, and return the folder."""

    def csv(*lines: str, name: str = "toy.csv", header: str = HEADER) -> Path:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("\n".join([header, *lines]) + "\n")
        return folder

    return csv


@pytest.fixture
def topic(specs: Specs) -> TopicSpec:
    return specs.topics["traffic_event"]


@pytest.fixture
def make_events(topic: TopicSpec) -> Callable[..., pa.RecordBatch]:
    """Events of segments s:0, s:1 and so on, one each ``every_seconds``."""

    def make(count: int, every_seconds: float = 1.0, first: int = 0) -> pa.RecordBatch:
        begin = datetime(2018, 3, 5, tzinfo=UTC)
        rows = [
            {
                "event_id": f"e{number}", "source": "s", "segment_id": f"s:{number % 7}",
                "event_time": begin + timedelta(seconds=number * every_seconds),
                "speed_kmh": 40.0 + number % 10, "vehicle_count": 3, "occupancy_ratio": 0.1,
                "travel_time_s": 60.0, "status": "ok", "schema_version": 1,
            }
            for number in range(first, first + count)
        ]  # fmt: skip
        return pa.RecordBatch.from_pylist(rows, schema=event_schema(topic))

    return make
