"""The newest moment in a table, found without reading the table."""

from datetime import date, datetime

import pyarrow.compute as pc

from lakehouse.tables import LakeTable


def newest(table: LakeTable, column: str, day: str) -> datetime | None:
    """Newest ``column`` of the snapshot, read from the newest ``day``; None where it is empty.

    Args:
        table: has a folder a day.
        column: a timestamp.
        day: its day in UTC, by which the folders are named.
    """
    days = [date.fromisoformat(folder[day]) for folder in table.folders()]
    if not days:
        return None
    moments = table.read(columns=[column], where=pc.field(day) == max(days))[column]
    found: datetime | None = pc.max(moments).as_py()
    return found


def newest_window(table: LakeTable) -> datetime | None:
    """Newest ``window_start`` of the snapshot; None where it is empty."""
    return newest(table, "window_start", "window_date")


def since_window(start: datetime) -> pc.Expression:
    """Filter on ``window_start`` from then on, and on its partition."""
    return (pc.field("window_date") >= start.date()) & (pc.field("window_start") >= start)
