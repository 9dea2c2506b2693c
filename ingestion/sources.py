"""Reads the files of a source, by its mapping in ``specs/sources``, as traffic events."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ingestion.reading_query import ReadingFile, event_query, instant, scan
from ingestion.traffic_event import event_schema
from lakehouse.sql_text import quoted
from specs.errors import WrongInput
from specs.sources import Readings, SourceSpec
from specs.tables import TopicSpec

if TYPE_CHECKING:
    import duckdb

DATA_FOLDER = Path(__file__).parent / "data"
"""Data that ships with the package: two weeks of New York."""

MEMORY_LIMIT = "1GB"
"""What DuckDB may hold while it sorts; the rest goes to a temporary folder."""


@dataclass(frozen=True)
class Selection:
    """Which readings of a source."""

    data_folder: Path = DATA_FOLDER
    """Folder that the spec's file globs are relative to."""
    files: tuple[Path, ...] = ()
    """These files instead of the spec's."""
    start: datetime | None = None
    """First event time, inclusive; needs a zone."""
    end: datetime | None = None
    """Last event time, exclusive; needs a zone."""

    def __post_init__(self) -> None:
        for moment in (self.start, self.end):
            if moment is not None and moment.tzinfo is None:
                raise WrongInput(f"{moment.isoformat()} needs an offset, or Z for UTC")

    def condition(self) -> str:
        """SQL condition on ``event_time``."""
        since = f"event_time >= {instant(self.start)}" if self.start else "true"
        return f"{since} AND event_time < {instant(self.end)}" if self.end else since

    def describe(self) -> str:
        """The range in words."""
        return f"from {self.start or 'the beginning'} to {self.end or 'the end'}"


EVERYTHING = Selection()
"""All readings of the data that ships with the package."""


@contextmanager
def database() -> Iterator["duckdb.DuckDBPyConnection"]:
    """An empty DuckDB in UTC that spills to a temporary folder of its own."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="traffic-") as folder, duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute(f"SET temp_directory = {quoted(folder)}")
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def reason(error: Exception) -> str:
    """First line of a DuckDB message."""
    return str(error).splitlines()[0]


def column_types(
    connection: "duckdb.DuckDBPyConnection", file: Path, texts: tuple[str, ...] = ()
) -> dict[str, str]:
    """DuckDB type of each column of ``file``; ``texts`` are read as text from CSV.

    Raises:
        WrongInput: the file cannot be read.
    """
    import duckdb

    try:
        types = {row[0]: row[1] for row in connection.sql(f"DESCRIBE FROM {scan(file)}").fetchall()}
    except duckdb.Error as error:
        raise WrongInput(f"{file}: cannot be read: {reason(error)}") from error
    if scan(file).startswith("read_csv"):
        types.update({name: "VARCHAR" for name in texts if name in types})
    return types


def readings_of(source: SourceSpec) -> Readings:
    """The mapping of ``source``.

    Raises:
        WrongInput: the source has no files, such as the simulator.
    """
    if source.readings is None:
        raise WrongInput(f"source {source.source} has no readings to replay")
    return source.readings


def reading_files(source: SourceSpec, selection: Selection) -> list[Path]:
    """Files to read, sorted by name.

    Raises:
        WrongInput: there is none.
    """
    if selection.files:
        return list(selection.files)
    globs = readings_of(source).files
    files = sorted({file for glob in globs for file in selection.data_folder.glob(glob)})
    if not files:
        wanted = ", ".join(globs)
        raise WrongInput(f"{source.source}: no file matches {wanted} in {selection.data_folder}")
    return files


def mapped_readings(
    connection: "duckdb.DuckDBPyConnection", source: SourceSpec, selection: Selection
) -> str:
    """Relation ``readings`` of all files of ``selection``, whatever their event time.

    Raises:
        WrongInput: a file cannot be read or does not fit the mapping.
    """
    readings = readings_of(source)
    texts = (readings.columns.segment_id.column,)
    queries = []
    for file in reading_files(source, selection):
        mapped = ReadingFile(source, readings, file, column_types(connection, file, texts))
        query = mapped.query()
        _check(connection, mapped, query)
        queries.append(query)
    return f"({' UNION ALL '.join(queries)}) AS readings"


def _check(connection: "duckdb.DuckDBPyConnection", mapped: ReadingFile, query: str) -> None:
    """Refuse status rules that are no condition on the file, and rows with no segment or time."""
    import duckdb

    for rule in mapped.readings.status:
        try:
            connection.sql(f"SELECT 1 FROM {mapped.scan()} WHERE ({rule.when}) LIMIT 0").fetchall()
        except duckdb.Error as error:
            condition = f"status {rule.value}: condition {rule.when!r} is invalid"
            raise WrongInput(f"{mapped.file}: {condition}: {reason(error)}") from error
    gaps = "count(*) - count(segment_id), count(*) - count(event_time)"
    try:
        counts = connection.sql(f"SELECT {gaps} FROM ({query})").fetchall()[0]
    except duckdb.Error as error:
        raise WrongInput(f"{mapped.file}: cannot be read: {reason(error)}") from error
    columns = mapped.readings.columns
    for count, column in zip(counts, (columns.segment_id, columns.event_time), strict=True):
        if count:
            raise WrongInput(f"{mapped.file}: column {column.column} is empty in {count} rows")


def read_events(
    source: SourceSpec,
    topic: TopicSpec,
    selection: Selection = EVERYTHING,
    *,
    batch_rows: int = 50_000,
) -> Iterator[pa.RecordBatch]:
    """Read a source's readings in event-time order, ties by segment.

    Args:
        source: its mapping says columns, units, time zone and when a reading is no observation.
        topic: the events' topic; its fields are the columns, its version the schema version.
        selection: which files and event times.
        batch_rows: rows of a batch; the last one may be smaller.

    Returns:
        Batches with the schema of `event_schema`: speeds in km/h to 3 decimals, travel times in
        s, occupancy as a ratio, event times in UTC to the millisecond (see `reading_query.utc`
        for the hours that clocks repeat or skip). ``segment_id`` is ``source:sensor``,
        ``event_id`` is ``source:sensor:epoch_ms``. Speed and travel time are null where status
        is not ok, as a value carried forward is no observation. Memory is bounded by
        `MEMORY_LIMIT` and a batch.

    Raises:
        WrongInput: at the call, not at the first batch: a file is unreadable, a column absent or
            of another type, a status condition invalid, or no reading falls into the selection.
    """
    batches = _batches(source, topic, selection, batch_rows)
    first = next(batches, None)
    if first is None:
        raise WrongInput(f"{source.source}: no reading {selection.describe()}")
    return chain([first], batches)


def _batches(
    source: SourceSpec, topic: TopicSpec, selection: Selection, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    schema = event_schema(topic)
    with database() as connection:
        readings = mapped_readings(connection, source, selection)
        chosen = f"(SELECT * FROM {readings} WHERE {selection.condition()}) AS readings"
        query = connection.sql(event_query(source, topic, chosen))
        for batch in query.to_arrow_reader(batch_rows):
            if batch.num_rows:
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
