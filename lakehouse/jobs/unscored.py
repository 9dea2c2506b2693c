"""Windows without a score: the registry was down, or a correction ended before gold had its."""

from datetime import date, datetime

import pyarrow.compute as pc

from lakehouse.jobs.newest import days_of, oldest_window
from lakehouse.sql import select
from lakehouse.tables import Lake

SILVER, SCORES = "silver.segment_metric", "gold.congestion_scores"


def first_scored(lake: Lake) -> datetime | None:
    """Start of the oldest window with a score; from there on each window is owed its own."""
    scores = lake.table(SCORES)
    scores.refresh()
    return oldest_window(scores)


def unscored(lake: Lake, since: datetime, until: datetime | None) -> list[datetime]:
    """Starts of the primary windows that a segment has no score of, in order.

    A final window is owed a final score, and a corrected one a score of what it says now. A day is
    in memory at a time.

    Args:
        lake: the tables.
        since: windows that start before it are not looked at.
        until: nor those that end after it or are not final; None for all.
    """
    silver, scores = lake.table(SILVER), lake.table(SCORES)
    silver.refresh()
    scores.refresh()
    last = date.max if until is None else until.date()
    days = [day for day in days_of(silver) if since.date() <= day <= last]
    return [start for day in days for start in _of_day(lake, day, since, until)]


def _of_day(lake: Lake, day: date, since: datetime, until: datetime | None) -> list[datetime]:
    seconds = lake.specs.transforms.primary.size_seconds
    from_there = (pc.field("window_date") == day) & (pc.field("window_start") >= since)
    asked = from_there & (pc.field("window_seconds") == seconds)
    if until is not None:
        asked = asked & pc.field("is_final") & (pc.field("window_end") <= until)
    columns = ["segment_id", "window_start", "is_final", "revision"]
    windows = lake.table(SILVER).read(columns=columns, where=asked)
    scored = lake.table(SCORES).read(columns=columns, where=from_there)
    query = """
        SELECT DISTINCT window_start FROM windows ANTI JOIN scored
        ON windows.segment_id = scored.segment_id AND windows.window_start = scored.window_start
            AND scored.is_final >= windows.is_final AND scored.revision = windows.revision
        ORDER BY window_start
    """
    starts: list[datetime] = select(query, windows=windows, scored=scored)[
        "window_start"
    ].to_pylist()
    return starts
