"""Final windows without a final score: the registry was down while the stream went on."""

from datetime import datetime

import pyarrow.compute as pc

from lakehouse.sql import select
from lakehouse.tables import Lake

SILVER, SCORES = "silver.segment_metric", "gold.congestion_scores"


def first_scored(lake: Lake) -> datetime | None:
    """Start of the oldest window with a score; from there on each window is owed its own."""
    scores = lake.table(SCORES)
    scores.refresh()
    first: datetime | None = pc.min(scores.read(columns=["window_start"])["window_start"]).as_py()
    return first


def unscored(lake: Lake, since: datetime, until: datetime) -> list[datetime]:
    """Starts of the final primary windows that a segment has no final score of, in order.

    Args:
        lake: the tables.
        since: windows that start before it are not looked at.
        until: nor those that end after it.
    """
    seconds = lake.specs.transforms.primary.size_seconds
    date, start = pc.field("window_date"), pc.field("window_start")
    from_there = (date >= since.date()) & (start >= since)
    silver, scores = lake.table(SILVER), lake.table(SCORES)
    silver.refresh()
    scores.refresh()
    windows = silver.read(
        columns=["segment_id", "window_start"],
        where=from_there & pc.field("is_final") & (pc.field("window_seconds") == seconds)
        & (pc.field("window_end") <= until),
    )  # fmt: skip
    scored = scores.read(
        columns=["segment_id", "window_start"], where=from_there & pc.field("is_final")
    )
    query = """
        SELECT DISTINCT window_start FROM windows
        ANTI JOIN scored USING (segment_id, window_start) ORDER BY window_start
    """
    starts: list[datetime] = select(query, windows=windows, scored=scored)[
        "window_start"
    ].to_pylist()
    return starts
