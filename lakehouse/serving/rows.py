"""What the API gives: models of its own, and one for each table, made from the table's spec."""

from datetime import date, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model

from specs.tables import Column, TableSpec


class Row(BaseModel):
    """Something the API gives."""

    model_config = ConfigDict(frozen=True)


class Place(Row):
    """One point, WGS 84."""

    lat: float
    lon: float


TYPES: dict[str, Any] = {
    "string": str, "long": int, "integer": int, "double": float, "boolean": bool,
    "timestamp": AwareDatetime, "date": date, "array<string>": list[str],
    "array<struct<lat: double, lon: double>>": list[Place],
}  # fmt: skip
"""Of the tables that are served."""


EXAMPLES: dict[str, Any] = {
    "segment_id": "nyc_dot:4616337", "source": "nyc_dot", "time_zone": "America/New_York",
    "name": "FDR N - TBB E 116TH STREET", "window_start": "2018-03-12T12:00:00Z",
    "window_end": "2018-03-12T12:05:00Z", "target_start": "2018-03-12T12:15:00Z",
    "window_date": "2018-03-12", "local_date": "2018-03-12", "local_hour": 8,
    "window_seconds": 300, "interval_seconds": 300,
    "horizon_minutes": 15, "model_name": "congestion", "congestion_level": "moderate",
    "upstream_segment_ids": ["nyc_dot:4616338"], "downstream_segment_ids": ["nyc_dot:4616336"],
    "polyline": [{"lat": 40.79, "lon": -73.94}, {"lat": 40.8, "lon": -73.93}],
    "detector_health": ["insufficient_data"], "anomalies": ["standstill"], "is_congested": False,
    "length_m": 1240.5, "free_flow_speed_kmh": 80.5,
}  # fmt: skip
EXAMPLES_BY_UNIT: dict[str | None, Any] = {"km/h": 47.2, "ratio": 0.35, "s": 42.5, "h": 1.25}
EXAMPLES_BY_TYPE: dict[str, Any] = {
    "long": 3, "integer": 1, "double": 0.5, "boolean": True, "timestamp": "2018-03-12T12:05:01Z",
}  # fmt: skip


def _example(column: Column) -> Any:
    found = EXAMPLES.get(column.name, EXAMPLES_BY_UNIT.get(column.unit))
    return EXAMPLES_BY_TYPE.get(column.type) if found is None else found


def _field(column: Column) -> Any:
    kind = TYPES[column.type]
    text = column.description + (f" Unit: {column.unit}." if column.unit else "")
    field = Field(description=text, examples=[_example(column)])
    return (kind | None if column.nullable else kind, field)


def row_model(table: TableSpec) -> type[Row]:
    """A model of the table's rows, with the spec's descriptions."""
    name = table.table.split(".")[1].title().replace("_", "")
    fields = {column.name: _field(column) for column in table.columns}
    return create_model(name, __base__=Row, __doc__=table.description, **fields)


class Forecast(Row):
    """What the model expects of one segment at one horizon."""

    horizon_minutes: int = Field(description="From window_start to the target window's start.")
    target_start: AwareDatetime = Field(description="Start of the window that is predicted (UTC).")
    congestion_probability: float = Field(description="Calibrated probability of congestion, 0-1.")
    speed_kmh_predicted: float = Field(description="Expected mean speed, km/h.")


class SegmentCongestion(Row):
    """A segment's newest window and the forecasts that stand at it: one batch, one revision."""

    segment_id: str = Field(description="Road segment.")
    source: str = Field(description="Source of the segment.")
    window_start: AwareDatetime = Field(description="Newest window of the segment (UTC).")
    is_final: bool = Field(description="No reading can change the window any more.")
    revision: int = Field(description="0 from the stream; one more with each correction.")
    speed_kmh_mean: float | None = Field(description="Mean speed; null without an observation.")
    speed_kmh_p15: float | None = Field(description="15th percentile of speed, km/h.")
    speed_kmh_p85: float | None = Field(description="85th percentile of speed, km/h.")
    travel_time_index: float | None = Field(description="Travel time over that in free flow.")
    congestion_level: str | None = Field(description="free, moderate, heavy or severe.")
    model_version: int | None = Field(description="Model that scored; null where none did.")
    forecasts: list[Forecast] = Field(description="One a horizon; empty where no model scored.")


class SourceTime(Row):
    """How far one source's data reaches."""

    source: str = Field(description="Source.")
    window_start: AwareDatetime = Field(description="Its newest window (UTC).")
    time_zone: str | None = Field(description="IANA time zone of the city.")


class AsOf(Row):
    """Which state of the lake an answer was read from; all of it belongs together."""

    tables: dict[str, int] = Field(description="Delta version of each table.")
    committed_at: AwareDatetime = Field(description="Newest commit among them (UTC).")
    kafka_timestamp: AwareDatetime | None = Field(
        description="Newest Kafka timestamp behind the current windows (UTC)."
    )
    sources: list[SourceTime] = Field(description="How far each source reaches.")


class Page(Row):
    """Part of a list."""

    as_of: AsOf
    next: str | None = Field(description="Address of the next page; null on the last.")


class CongestionPage(Page):
    """Congestion by segment, in the order of ``segment_id``."""

    items: list[SegmentCongestion]


class Status(Row):
    """How fresh the data is."""

    as_of: AsOf
    age_seconds: float | None = Field(
        description="Now less the newest Kafka timestamp: how old the newest reading shown is."
    )
    commit_age_seconds: float = Field(description="Now less the newest commit.")
    pickup_seconds: float | None = Field(
        description="From that commit until the API served it; null until the first one it sees."
    )
    segments: int = Field(description="Road segments known.")
    horizons_minutes: list[int] = Field(description="Horizons of the forecasts.")
    probability_levels: list[float] = Field(description="Where the map changes colour.")
    likely_probability: float = Field(description="From here on congestion is called likely.")
    congestion_levels: list[str] = Field(description="Observed levels, lightest first.")


def page_of(row: type[Row]) -> type[Page]:
    """A page of ``row``s."""
    items: Any = (list[row], ...)  # type: ignore[valid-type]
    return create_model(f"{row.__name__}Page", __base__=Page, items=items)


def utc_text(moment: datetime) -> str:
    """ISO 8601 with Z."""
    return moment.isoformat().replace("+00:00", "Z")
