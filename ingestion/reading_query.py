"""SQL that turns one source's files into the columns of a traffic event. Text in, text out."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lakehouse.sql_text import quoted
from specs.errors import WrongInput
from specs.sources import FACTORS, MappedColumn, Readings, SourceSpec
from specs.tables import TopicSpec

READERS = {
    ".parquet": "read_parquet({file})",
    ".csv": "read_csv({file}, sample_size = -1, types = {types})",
    ".tsv": "read_csv({file}, sample_size = -1, types = {types})",
    ".json": "read_json({file}, sample_size = -1)",
    ".jsonl": "read_json({file}, sample_size = -1)",
    ".ndjson": "read_json({file}, sample_size = -1)",
}
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
IDENTIFIERS = ("VARCHAR", "UUID", "ENUM", "TINYINT", "SMALLINT", "INTEGER", "BIGINT")
SQL_TYPES = {"string": "VARCHAR", "long": "BIGINT", "double": "DOUBLE", "timestamp": "TIMESTAMPTZ"}
DECIMALS = {"speed_kmh": 3, "travel_time_s": 3, "occupancy_ratio": 6}
"""Digits kept after the conversion: what lies below is noise of the file's 32-bit floats."""


def named(column: str) -> str:
    """``column`` as a SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def instant(moment: datetime) -> str:
    """``moment`` (with a zone) as a SQL TIMESTAMPTZ."""
    return f"TIMESTAMPTZ '{moment.isoformat()}'"


def scan(file: Path, texts: tuple[str, ...] = ()) -> str:
    """Table function that reads ``file`` by its ending; ``texts`` stay text (``007`` is not 7).

    Raises:
        WrongInput: no reader for that ending.
    """
    ending = file.with_suffix("").suffix if file.suffix == ".gz" else file.suffix
    if ending not in READERS:
        raise WrongInput(f"{file}: cannot read {ending or 'no ending'}; use {', '.join(READERS)}")
    types = "{" + ", ".join(f"{quoted(text)}: 'VARCHAR'" for text in texts) + "}"
    return READERS[ending].format(file=quoted(file), types=types)


def utc(column: str, zone: str) -> str:
    """Local wall-clock TIMESTAMP ``column`` of ``zone`` as a TIMESTAMPTZ.

    When clocks are set back, an hour of wall-clock times happens twice: the first pass is taken
    (the earlier instant). When they are set forward, an hour does not happen: such a time moves
    forward by what was skipped, as 02:30 becomes 03:30.
    """
    # By the offset that was in force 3 hours before, which is right up to and through the
    # repeated hour; where the way back does not give the same wall clock, DuckDB's own rule.
    before = f"(timezone({quoted(zone)}, {column} - INTERVAL 3 HOUR) + INTERVAL 3 HOUR)"
    return (
        f"CASE WHEN timezone({quoted(zone)}, {before}) = {column} THEN {before} "
        f"ELSE timezone({quoted(zone)}, {column}) END"
    )


@dataclass(frozen=True)
class ReadingFile:
    """One file of a source's readings, and the DuckDB type of each of its columns."""

    source: SourceSpec
    readings: Readings
    file: Path
    types: dict[str, str]

    def query(self) -> str:
        """SELECT of ``segment_id``, ``event_time``, the measured fields and ``reading_status``.

        A reading whose speed is not a finite number is not ok, even if no status rule says so.

        Raises:
            WrongInput: a mapped column is absent or has another type; says file, column, reason.
        """
        columns = self.readings.columns
        segment = self._column("segment_id", columns.segment_id, IDENTIFIERS)
        speed = self._measured("speed_kmh", columns.speed_kmh)
        rules = "".join(
            f"WHEN ({rule.when}) THEN {quoted(rule.value)} " for rule in self.readings.status
        )
        return f"""
            SELECT
                {quoted(self.source.source + ":")} || CAST({segment} AS VARCHAR) AS segment_id,
                {self._event_time()} AS event_time,
                {speed} AS speed_kmh,
                {self._measured("vehicle_count", columns.vehicle_count)} AS vehicle_count,
                {self._measured("occupancy_ratio", columns.occupancy_ratio)} AS occupancy_ratio,
                {self._measured("travel_time_s", columns.travel_time_s)} AS travel_time_s,
                CASE {rules}WHEN {speed} IS NULL THEN 'missing' ELSE 'ok' END AS reading_status
            FROM {self.scan()}"""

    def scan(self) -> str:
        """Table function that reads the file."""
        return scan(self.file, (self.readings.columns.segment_id.column,))

    def _column(self, field: str, mapped: MappedColumn, accepted: tuple[str, ...]) -> str:
        found = self.types.get(mapped.column)
        place = f"{self.file}: column {mapped.column} (for {field})"
        if found is None:
            raise WrongInput(f"{place} is absent; the file has {', '.join(self.types)}")
        if not found.startswith(accepted):
            raise WrongInput(f"{place} is {found}, expected {' or '.join(accepted)}")
        return named(mapped.column)

    def _measured(self, field: str, mapped: MappedColumn | None) -> str:
        if mapped is None or mapped.unit is None:
            return "CAST(NULL AS DOUBLE)"
        value = f"CAST({self._column(field, mapped, NUMBERS)} AS DOUBLE)"
        scaled = f"round({value} * {FACTORS[field][mapped.unit]!r}, {DECIMALS.get(field, 0)})"
        return f"CASE WHEN isfinite({value}) THEN {scaled} END"

    def _event_time(self) -> str:
        mapped = self.readings.columns.event_time
        column = self._column("event_time", mapped, ("TIMESTAMP",))
        if self.types[mapped.column] != "TIMESTAMP WITH TIME ZONE":
            zone = mapped.time_zone or self.source.time_zone
            column = utc(f"CAST({column} AS TIMESTAMP)", zone)
        return f"date_trunc('millisecond', {column})"


def event_query(source: SourceSpec, topic: TopicSpec, readings: str) -> str:
    """SELECT of the fields of ``topic`` from the relation ``readings``, in event-time order.

    What was measured together with a speed that is no observation is none either: speed and
    travel time are null where the status is not ok. Counts and occupancy stay.
    """
    values = {
        "event_id": "segment_id || ':' || epoch_ms(event_time)",
        "source": quoted(source.source),
        "speed_kmh": "CASE WHEN reading_status = 'ok' THEN speed_kmh END",
        "travel_time_s": "CASE WHEN reading_status = 'ok' THEN travel_time_s END",
        "status": "reading_status",
        "schema_version": str(topic.version),
    }
    fields = ", ".join(
        f"CAST({values.get(field.name, field.name)} AS {SQL_TYPES[field.type]}) AS {field.name}"
        for field in topic.fields
    )
    return f"SELECT {fields} FROM {readings} ORDER BY readings.event_time, readings.segment_id"
