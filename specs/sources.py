"""Sources: how one city's files become traffic events and road segments."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from specs.model import Identifier, SpecModel

Unit = Literal["km/h", "mph", "m/s", "m", "km", "mi", "s", "min", "vehicles", "ratio", "percent"]

FACTORS: dict[str, dict[Unit, float]] = {
    "speed_kmh": {"km/h": 1.0, "mph": 1.609344, "m/s": 3.6},
    "free_flow_speed_kmh": {"km/h": 1.0, "mph": 1.609344, "m/s": 3.6},
    "vehicle_count": {"vehicles": 1.0},
    "occupancy_ratio": {"ratio": 1.0, "percent": 0.01},
    "travel_time_s": {"s": 1.0, "min": 60.0},
    "length_m": {"m": 1.0, "km": 1000.0, "mi": 1609.344},
}
"""Units each measured field may come in, and what one of them is in the field's own unit."""

OPEN = "?"
"""What a draft says where a person has still to say something; no spec may."""


def open_places(content: Any, path: str = "") -> Iterator[str]:
    """Paths of the values that are still `OPEN`."""
    if content == OPEN:
        yield path
    parts = content.items() if isinstance(content, dict) else (
        enumerate(content) if isinstance(content, list) else ())  # fmt: skip
    for key, value in parts:
        yield from open_places(value, f"{path}.{key}" if path else str(key))


class MappedColumn(SpecModel):
    """A column of the source's file: its unit, or for times its zone."""

    column: str
    unit: Unit | None = None
    time_zone: str | None = None
    format: Literal["lat,lon lat,lon"] | None = None


class MeasuredColumns(SpecModel):
    """Columns of a file, where each measured one says a unit of its own quantity."""

    @model_validator(mode="after")
    def _has_fitting_units(self) -> Self:
        for name, factors in FACTORS.items():
            mapped = getattr(self, name, None)
            if mapped is not None and mapped.unit not in factors:
                raise ValueError(f"{name}: unit {mapped.unit} is none of {', '.join(factors)}")
        return self


class StatusRule(SpecModel):
    """Readings where the SQL condition ``when`` holds have status ``value``."""

    value: Literal["missing", "carried_forward"]
    when: str


class ReadingColumns(MeasuredColumns):
    """Where the fields of a traffic event are found."""

    segment_id: MappedColumn
    event_time: MappedColumn
    speed_kmh: MappedColumn
    vehicle_count: MappedColumn | None = None
    occupancy_ratio: MappedColumn | None = None
    travel_time_s: MappedColumn | None = None


class Readings(SpecModel):
    """The readings' files (globs below the data folder) and their mapping."""

    files: tuple[str, ...] = Field(min_length=1)
    columns: ReadingColumns
    status: tuple[StatusRule, ...] = ()


class SegmentColumns(MeasuredColumns):
    """Where the fields of a road segment are found."""

    segment_id: MappedColumn
    name: MappedColumn | None = None
    length_m: MappedColumn | None = None
    polyline: MappedColumn | None = None
    from_lat: MappedColumn | None = None
    from_lon: MappedColumn | None = None
    to_lat: MappedColumn | None = None
    to_lon: MappedColumn | None = None
    free_flow_speed_kmh: MappedColumn | None = None


class Edges(SpecModel):
    """Which segment leads into which."""

    file: str
    upstream: str
    downstream: str


class FreeFlow(SpecModel):
    """Free-flow speed as a percentile of the observed speeds, where the file has none.

    Readings of fewer than ``min_vehicles`` are left out: the mean of one car says how that one
    drove. A source that does not count vehicles asks for none.
    """

    percentile: float = Field(gt=0, lt=1)
    min_vehicles: int = Field(default=0, ge=0)


class Segments(SpecModel):
    """The segments' file and its mapping."""

    file: str
    columns: SegmentColumns
    edges: Edges | None = None
    free_flow: FreeFlow | None = None


class SimulatedCity(SpecModel):
    """A city that the simulator lays out."""

    segments: int = Field(ge=1, le=1_000_000)
    seed: int = Field(ge=0)


class SourceSpec(SpecModel):
    """One city."""

    source: Identifier
    description: str
    attribution: str
    time_zone: str
    valid_from: datetime
    interval_seconds: int = Field(gt=0)
    readings: Readings | None = None
    segments: Segments | None = None
    simulated: SimulatedCity | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_no_draft(cls, content: Any) -> Any:
        if places := list(open_places(content)):
            raise ValueError(f'still open, fill in what is "{OPEN}": {", ".join(places)}')
        return content

    @model_validator(mode="after")
    def _is_real_or_simulated(self) -> Self:
        if self.simulated and (self.readings or self.segments):
            raise ValueError("a simulated source has neither readings nor segments")
        return self

    @model_validator(mode="after")
    def _counts_the_vehicles_it_asks_for(self) -> Self:
        free_flow = self.segments.free_flow if self.segments else None
        asks = free_flow is not None and free_flow.min_vehicles > 0
        if asks and (self.readings is None or self.readings.columns.vehicle_count is None):
            raise ValueError("free_flow asks for min_vehicles, but no column is vehicle_count")
        return self

    @model_validator(mode="after")
    def _knows_its_zones(self) -> Self:
        zones = [self.time_zone]
        if self.readings and self.readings.columns.event_time.time_zone:
            zones.append(self.readings.columns.event_time.time_zone)
        for zone in zones:
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError(f"unknown time zone {zone}") from error
        if self.valid_from.tzinfo is None:
            raise ValueError("valid_from needs an offset, or Z for UTC")
        return self
