"""The newest and the oldest moment in a table, found without reading the table."""

from collections.abc import Callable, Iterable
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.tables import LakeTable


def newest(table: LakeTable, column: str, day: str) -> datetime | None:
    """Newest ``column`` of the snapshot, read from the newest ``day``; None where it is empty.

    Args:
        table: has a folder a day.
        column: a timestamp.
        day: its day in UTC, by which the folders are named.
    """
    return _end(table, column, day, max, pc.max)


def newest_window(table: LakeTable) -> datetime | None:
    """Newest ``window_start`` of the snapshot; None where it is empty."""
    return newest(table, "window_start", "window_date")


def oldest_window(table: LakeTable) -> datetime | None:
    """Oldest ``window_start`` of the snapshot, as `newest_window`."""
    return _end(table, "window_start", "window_date", min, pc.min)


def days_of(table: LakeTable, day: str = "window_date") -> list[date]:
    """The days that the snapshot has rows of, in order."""
    return sorted({date.fromisoformat(folder[day]) for folder in table.folders()})


def since_window(start: datetime) -> pc.Expression:
    """Filter on ``window_start`` from then on, and on its partition."""
    return (pc.field("window_date") >= start.date()) & (pc.field("window_start") >= start)


def _end(
    table: LakeTable, column: str, day: str, end: Callable[[Iterable[date]], date],
    end_of_column: Callable[[pa.ChunkedArray], pa.Scalar],
) -> datetime | None:  # fmt: skip
    days = days_of(table, day)
    if not days:
        return None
    moments = table.read(columns=[column], where=pc.field(day) == end(days))[column]
    found: datetime | None = end_of_column(moments).as_py()
    return found
