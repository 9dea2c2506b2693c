"""Registers a source's road segments, so that the lander knows them."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from ingestion.city import city_segments, simulated_city
from ingestion.road_segment import road_segments
from ingestion.sources import DATA_FOLDER, Selection
from lakehouse.commit import Note
from lakehouse.jobs.gated import GatedTable
from lakehouse.journal import Journal
from lakehouse.tables import Lake
from specs.errors import WrongInput

TABLE = "silver.road_segment"


def _segments(lake: Lake, name: str, selection: Selection, count: int | None) -> pa.Table:
    source = lake.specs.sources[name]
    table = lake.specs.tables[TABLE]
    if source.simulated is None:
        return road_segments(source, table, selection)
    return city_segments(simulated_city(source, count), source, table, source.interval_seconds)


def register_segments(
    lake: Lake, name: str, *, until: datetime | None = None, count: int | None = None,
    data: Path | None = None,
) -> int:  # fmt: skip
    """Write the road segments of source ``name`` to silver.road_segment; returns the rows written.

    Args:
        lake: the tables.
        name: a file of specs/sources.
        until: free-flow speeds come from readings before this (UTC); None takes all.
        count: segments of a simulated city; None takes the source's own number.
        data: folder of the source's files; None takes what ships.

    Raises:
        WrongInput: there is no such source, or its files do not fit its mapping.
        GateFailed: a segment breaks a rule; nothing was committed.
    """
    if name not in lake.specs.sources:
        raise WrongInput(f"no source {name}; specs/sources has {', '.join(lake.specs.sources)}")
    end = until.replace(tzinfo=UTC) if until else None
    selection = Selection(data or DATA_FOLDER, end=end)
    rows = _segments(lake, name, selection, count)
    journal = Journal(lake, [TABLE])
    note = Note(job="register", spec_version=lake.specs.version)
    commit = GatedTable(lake, TABLE, journal).merge(rows, note, always=True)
    journal.write()
    return commit.rows_written
