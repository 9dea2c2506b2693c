"""The newest window of a table, found without reading the table."""

from datetime import datetime

import pyarrow.compute as pc

from lakehouse.tables import LakeTable


def newest_window(table: LakeTable) -> datetime | None:
    """Newest ``window_start`` of the snapshot; None where it is empty.

    The folders say which day is the newest, so that only its files are read.
    """
    days = table.read(columns=["window_date"])["window_date"]
    if not len(days):
        return None
    newest = pc.field("window_date") == pc.max(days).as_py()
    starts = table.read(columns=["window_start"], where=newest)["window_start"]
    found: datetime = pc.max(starts).as_py()
    return found


def since_window(start: datetime) -> pc.Expression:
    """Filter on ``window_start`` from then on, and on its partition."""
    return (pc.field("window_date") >= start.date()) & (pc.field("window_start") >= start)
