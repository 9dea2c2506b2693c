"""Rows of ``silver.road_segment`` from a source's segments file, its edges and its readings."""

import logging
import statistics
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ingestion.city import city_segments, simulated_city
from ingestion.geometry import Point, length_m, parse_polyline
from ingestion.reading_query import named, scan
from ingestion.sources import (
    EVERYTHING,
    Selection,
    column_types,
    database,
    mapped_readings,
    reason,
)
from specs.arrow import arrow_schema
from specs.errors import WrongInput
from specs.sources import FACTORS, MappedColumn, SourceSpec
from specs.tables import TableSpec

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)


@dataclass
class _Segment:
    name: str | None = None
    points: list[Point] = field(default_factory=list)
    length_m: float | None = None
    free_flow_speed_kmh: float | None = None


def road_segments(
    source: SourceSpec,
    table: TableSpec,
    selection: Selection = EVERYTHING,
) -> pa.Table:
    """Make the road segments of a source.

    Args:
        source: its mapping says where segments, edges and readings are found.
        table: spec of ``silver.road_segment``.
        selection: readings that the free-flow speeds come from; an ``end`` keeps what is learnt
            here out of the time that a model is tested on.

    Returns:
        One row per segment, sorted by ``segment_id``: every segment of the segments file, and
        every one that any reading names, so that no reading lacks its segment; those have null
        name, polyline and length. A segment without a polyline is the straight line between its
        ends. A length that is not given is that of the polyline, null for a single point.
        Neighbours are segments of the table other than the segment itself. Free-flow speed is
        the file's, else the ``free_flow`` percentile of the segment's ok speeds of enough
        vehicles, and for a segment without any the median over the source's other segments, which
        is logged. A simulated source gives the city that its spec describes.

    Raises:
        WrongInput: a file is unreadable or does not fit the mapping, a segment is listed twice,
            or no segment has a free-flow speed.
    """
    if source.simulated is not None:
        return city_segments(simulated_city(source), source, table, source.interval_seconds)
    with database() as connection:
        speeds = dict(_observed_speeds(connection, source, selection))
        listed = _listed(connection, source, selection.data_folder)
        segments = {**{segment_id: _Segment() for segment_id in speeds}, **listed}
        upstream, downstream = _neighbours(connection, source, selection.data_folder)
    for segment_id, segment in segments.items():
        if segment.free_flow_speed_kmh is None:
            segment.free_flow_speed_kmh = speeds.get(segment_id)
    _fill_free_flow(source, selection, segments)
    rows = []
    for segment_id, segment in sorted(segments.items()):
        rows.append(
            {
                "segment_id": segment_id,
                "source": source.source,
                "name": segment.name,
                "polyline": [point._asdict() for point in segment.points] or None,
                "length_m": segment.length_m,
                "free_flow_speed_kmh": segment.free_flow_speed_kmh,
                "interval_seconds": source.interval_seconds,
                "time_zone": source.time_zone,
                "upstream_segment_ids": sorted(upstream[segment_id] & segments.keys()),
                "downstream_segment_ids": sorted(downstream[segment_id] & segments.keys()),
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(table))


def _fill_free_flow(
    source: SourceSpec, selection: Selection, segments: dict[str, _Segment]
) -> None:
    known = [s.free_flow_speed_kmh for s in segments.values() if s.free_flow_speed_kmh is not None]
    if not known:
        raise WrongInput(f"{source.source}: no ok speed {selection.describe()}, so no free flow")
    unknown = [s for s in segments.values() if s.free_flow_speed_kmh is None]
    if unknown:
        log.warning(
            "%s: %d of %d segments have no ok speed; their free flow is the median of the others",
            source.source, len(unknown), len(segments),
        )  # fmt: skip
    for segment in unknown:
        segment.free_flow_speed_kmh = round(statistics.median(known), 3)


def _observed_speeds(
    connection: "duckdb.DuckDBPyConnection", source: SourceSpec, selection: Selection
) -> Iterator[tuple[str, float | None]]:
    """Every segment that has readings, with the percentile of its ok speeds in the selection."""
    if source.readings is None:
        return
    free_flow = source.segments.free_flow if source.segments else None
    speed = "NULL"
    if free_flow is not None:
        chosen = f"reading_status = 'ok' AND {selection.condition()}"
        if free_flow.min_vehicles:
            chosen += f" AND vehicle_count >= {free_flow.min_vehicles}"
        percentile = f"quantile_cont(speed_kmh, {free_flow.percentile})"
        speed = f"round({percentile} FILTER (WHERE {chosen}), 3)"
    readings = mapped_readings(connection, source, selection)
    yield from connection.sql(f"SELECT segment_id, {speed} FROM {readings} GROUP BY 1").fetchall()


def _rows(
    connection: "duckdb.DuckDBPyConnection", file: Path, columns: dict[str, str], texts: set[str]
) -> Iterator[dict[str, Any]]:
    """Rows of ``file``; ``columns`` says new name to column of the file, ``texts`` stay text."""
    import duckdb

    kept = tuple(texts)
    types = column_types(connection, file, kept)
    for name, column in columns.items():
        if column not in types:
            raise WrongInput(
                f"{file}: column {column} (for {name}) is absent; the file has {', '.join(types)}"
            )
    chosen = ", ".join(f"{named(column)} AS {named(name)}" for name, column in columns.items())
    try:
        rows = connection.sql(f"SELECT {chosen} FROM {scan(file, kept)}").fetchall()
    except duckdb.Error as error:
        raise WrongInput(f"{file}: cannot be read: {reason(error)}") from error
    for row in rows:
        yield dict(zip(columns, row, strict=True))


def _listed(
    connection: "duckdb.DuckDBPyConnection", source: SourceSpec, data_folder: Path
) -> dict[str, _Segment]:
    """Segments of the segments file, by id."""
    if source.segments is None:
        return {}
    file = data_folder / source.segments.file
    mapped = {name: column for name, column in source.segments.columns if column is not None}
    columns = {name: column.column for name, column in mapped.items()}
    listed: dict[str, _Segment] = {}
    for row in _rows(connection, file, columns, {columns["segment_id"]}):
        if row["segment_id"] is None:
            raise WrongInput(f"{file}: column {columns['segment_id']} is empty in a row")
        segment_id = f"{source.source}:{row['segment_id']}"
        if segment_id in listed:
            raise WrongInput(f"{file}: {columns['segment_id']} {row['segment_id']} is there twice")
        listed[segment_id] = _segment(file, row, mapped)
    return listed


def _segment(file: Path, row: dict[str, Any], mapped: dict[str, MappedColumn]) -> _Segment:
    def measured(name: str) -> float | None:
        value = row.get(name)
        if value is None:
            return None
        if not isinstance(value, int | float):
            raise WrongInput(f"{file}: column {mapped[name].column} (for {name}) is not a number")
        unit = mapped[name].unit
        return float(value) * FACTORS[name][unit] if unit else float(value)

    points = parse_polyline(row.get("polyline") or "")
    ends = [measured(name) for name in ("from_lat", "from_lon", "to_lat", "to_lon")]
    if not points and None not in ends:
        start, end = Point(*ends[:2]), Point(*ends[2:])  # type: ignore[arg-type]
        points = [start] if start == end else [start, end]
    return _Segment(
        name=row.get("name"),
        points=points,
        length_m=round(measured("length_m") or length_m(points), 1) or None,
        free_flow_speed_kmh=measured("free_flow_speed_kmh"),
    )


Neighbours = defaultdict[str, set[str]]


def _neighbours(
    connection: "duckdb.DuckDBPyConnection", source: SourceSpec, data_folder: Path
) -> tuple[Neighbours, Neighbours]:
    """Upstream and downstream neighbours by segment, without loops from a segment to itself."""
    upstream, downstream = Neighbours(set), Neighbours(set)
    edges = source.segments.edges if source.segments else None
    if edges is None:
        return upstream, downstream
    columns = {"start": edges.upstream, "end": edges.downstream}
    for row in _rows(connection, data_folder / edges.file, columns, set(columns.values())):
        start, end = (f"{source.source}:{row[name]}" for name in columns)
        if start != end:
            upstream[end].add(start)
            downstream[start].add(end)
    return upstream, downstream
