"""Looks at a file of readings nobody has described: columns, what they hold, intervals, gaps."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.reading_query import IDENTIFIERS, NUMBERS, named, scan
from ingestion.sources import column_types, database, reason
from specs.errors import WrongInput

if TYPE_CHECKING:
    import duckdb

NAMES: dict[str, str] = {
    "segment_id": r"(sensor|segment|link|detector|station|site|road|edge|loop|device|report)_?"
    r"(id|no|nr|number|code)?|id",
    "speed_kmh": r".*(speed|velocity|kmh|kph|mph).*|v",
    "vehicle_count": r".*(vehicle|count|volume|flow).*|q|n",
    "travel_time_s": r".*(travel_?time|traversal|duration).*|tt",
    "occupancy_ratio": r".*occ.*",
    "status": r".*(status|quality|valid|flag).*",
    "name": r".*(name|street|road|description).*",
    "length_m": r".*(length|distance).*",
    "polyline": r".*(polyline|shape|link_points|geometry).*",
    "from_lat": r"(from|start)_?lat(itude)?|lat(itude)?|y",
    "from_lon": r"(from|start)_?lon(g|gitude)?|lon(g|gitude)?|x",
    "to_lat": r"(to|end)_?lat(itude)?|lat(itude)?|y",
    "to_lon": r"(to|end)_?lon(g|gitude)?|lon(g|gitude)?|x",
}
"""What columns are called, by the field they may fill."""

ENDS = ("from_lat", "from_lon", "to_lat", "to_lon")
"""A detector's one place is both ends of its segment; ends of their own come first."""

KINDS: dict[str, tuple[str, ...]] = {
    "segment_id": IDENTIFIERS, "name": ("VARCHAR",), "polyline": ("VARCHAR",),
    "status": ("VARCHAR", *NUMBERS, "BOOLEAN"),
}  # fmt: skip
"""DuckDB types of the fields; the others are numbers."""

COMMON_STATUSES = 5
MOST_SEGMENTS = 0.9
"""Of the rows: with more distinct values, a column of readings is no segment's."""


@dataclass(frozen=True)
class Column:
    """One column of the file: its DuckDB type, how many values it lacks, its range."""

    name: str
    kind: str
    nulls: int
    distinct: int
    low: Any
    middle: Any
    high: Any


@dataclass(frozen=True)
class Rhythm:
    """How often segments report.

    Attributes:
        segments: how many there are.
        first: earliest time as the file writes it.
        last: latest time.
        interval_seconds: median from one reading of a segment to its next.
        late_ratio: share of the intervals that are longer than one and a half of that.
        longest_seconds: longest interval.
        repeated: rows that repeat the segment and time of another.
    """

    segments: int
    first: datetime
    last: datetime
    interval_seconds: int | None
    late_ratio: float
    longest_seconds: int
    repeated: int


@dataclass(frozen=True)
class Look:
    """What was seen of a file."""

    file: Path
    rows: int
    columns: tuple[Column, ...]
    guesses: dict[str, tuple[str, ...]]
    rhythm: Rhythm | None
    statuses: tuple[tuple[Any, int], ...]
    missing_speeds: int
    uncounted_speeds: int

    def column(self, field: str) -> Column | None:
        """The likeliest column of a field; None where no name fits."""
        found = self.guesses.get(field, ())
        return next((one for one in self.columns if found and one.name == found[0]), None)


def _columns(connection: "duckdb.DuckDBPyConnection", file: Path) -> tuple[int, tuple[Column, ...]]:
    types = column_types(connection, file)
    told = {name: kind for name, kind in types.items() if kind.startswith((
        *NUMBERS, "VARCHAR", "TIMESTAMP", "BOOLEAN", "DATE", "UUID", "ENUM"))}  # fmt: skip
    asked = ["count(*)"]
    for name, kind in told.items():
        column = named(name)
        middle = f"median({column})" if kind.startswith(NUMBERS) else "NULL"
        asked += [f"count({column})", f"approx_count_distinct({column})", f"min({column})", middle,
                  f"max({column})"]  # fmt: skip
    row = connection.sql(f"SELECT {', '.join(asked)} FROM {scan(file)}").fetchall()[0]
    rows, facts = row[0], row[1:]
    found = [
        Column(name, kind, rows - facts[5 * place], *facts[5 * place + 1 : 5 * place + 5])
        for place, (name, kind) in enumerate(told.items())
    ]
    return rows, tuple(found)


def guesses(columns: tuple[Column, ...], rows: int) -> dict[str, tuple[str, ...]]:
    """Columns by the field that they may fill, by their names and types, the likeliest first."""
    found: dict[str, tuple[str, ...]] = {
        "event_time": tuple(one.name for one in columns if one.kind.startswith("TIMESTAMP"))
    }
    for field, pattern in NAMES.items():
        kinds = KINDS.get(field, NUMBERS)
        fitting = [
            one for one in columns
            if one.kind.startswith(kinds) and re.fullmatch(pattern, one.name.lower().strip())
        ]  # fmt: skip
        if field == "segment_id":
            fitting.sort(key=lambda one: one.name.lower() == "id")
            if found["event_time"] and rows > 1:  # what differs in each row tells readings apart
                fitting = [one for one in fitting if one.distinct <= MOST_SEGMENTS * rows]
        if field in ENDS:
            fitting.sort(key=lambda one: "_" not in one.name)
        found[field] = tuple(one.name for one in fitting)
    return found


def _rhythm(connection: "duckdb.DuckDBPyConnection", file: Path, segment: str, time: str) -> Rhythm:
    segment, time = named(segment), named(time)
    row = connection.sql(f"""
        WITH reading AS (
            SELECT {segment} AS segment, CAST({time} AS TIMESTAMP) AS moment, count(*) AS copies
            FROM {scan(file)} WHERE {segment} IS NOT NULL AND {time} IS NOT NULL GROUP BY ALL
        ), gap AS (
            SELECT copies, segment, moment, epoch(moment - lag(moment) OVER (
                PARTITION BY segment ORDER BY moment)) AS seconds
            FROM reading
        ), usual AS (SELECT median(seconds) AS seconds FROM gap)
        SELECT count(DISTINCT segment), min(moment), max(moment), any_value(usual.seconds),
            coalesce(avg((gap.seconds > 1.5 * usual.seconds)::INTEGER), 0),
            coalesce(max(gap.seconds), 0), coalesce(sum(copies - 1), 0)
        FROM gap, usual
    """).fetchall()[0]
    usual = None if row[3] is None else max(1, round(row[3]))
    return Rhythm(row[0], row[1], row[2], usual, row[4], round(row[5]), int(row[6]))


def _count(connection: "duckdb.DuckDBPyConnection", file: Path, condition: str) -> int:
    counted = connection.sql(f"SELECT count(*) FROM {scan(file)} WHERE {condition}").fetchall()
    return int(counted[0][0])


def look(file: Path) -> Look:
    """Look at a file of readings or of road segments.

    Raises:
        WrongInput: it is absent, cannot be read or holds no row.
    """
    import duckdb

    if not file.is_file():
        raise WrongInput(f"{file}: {'is a folder' if file.is_dir() else 'there is no such file'}")
    with database() as connection:
        try:
            rows, columns = _columns(connection, file)
            if not rows:
                raise WrongInput(f"{file}: holds no row")
            likely = guesses(columns, rows)
            first = {field: names[0] for field, names in likely.items() if names}
            return Look(file, rows, columns, likely, *_of_readings(connection, file, first))
        except duckdb.Error as error:
            raise WrongInput(f"{file}: cannot be read: {reason(error)}") from error


def _of_readings(
    connection: "duckdb.DuckDBPyConnection", file: Path, first: dict[str, str]
) -> tuple[Rhythm | None, tuple[tuple[Any, int], ...], int, int]:
    rhythm = None
    if "segment_id" in first and "event_time" in first:
        rhythm = _rhythm(connection, file, first["segment_id"], first["event_time"])
    statuses: list[tuple[Any, int]] = []
    if "status" in first:
        column = named(first["status"])
        statuses = connection.sql(
            f"SELECT {column}, count(*) AS rows FROM {scan(file)} GROUP BY ALL"
            f" ORDER BY rows DESC, 1 LIMIT {COMMON_STATUSES}"
        ).fetchall()
    missing = uncounted = 0
    if "speed_kmh" in first:
        speed = named(first["speed_kmh"])
        missing = _count(connection, file, f"{speed} IS NULL OR {speed} <= 0")
        if "vehicle_count" in first:
            none = f"{named(first['vehicle_count'])} = 0 AND {speed} > 0"
            uncounted = _count(connection, file, none)
    return rhythm, tuple(statuses), missing, uncounted
