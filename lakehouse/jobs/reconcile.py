"""Late readings: finds the windows whose events silver has not counted, and recomputes them."""

from datetime import datetime, timedelta

from lakehouse.jobs.recompute import BRONZE, SILVER, GoldRecompute, Range, SilverRecompute
from lakehouse.sql import select
from lakehouse.tables import Lake


def uncounted(lake: Lake) -> list[datetime]:
    """Starts of the final primary windows where silver and bronze disagree on a count of events.

    Bronze's side is worked out here anew, so that whatever the stream dropped, and for whatever
    reason, is found. Windows that the stream may still change are left to it.
    """
    seconds = lake.specs.transforms.primary.size_seconds
    bronze, silver = lake.table(BRONZE), lake.table(SILVER)
    bronze.refresh()
    silver.refresh()
    query = f"""
        WITH landed AS (
            SELECT segment_id, epoch_us(event_time) // {seconds}000000 AS window_number,
                count(DISTINCT event_id) AS event_count
            FROM bronze GROUP BY ALL
        ), counted AS (
            SELECT segment_id, epoch_us(window_start) // {seconds}000000 AS window_number,
                event_count, is_final
            FROM silver WHERE window_seconds = {seconds}
        ), final AS (SELECT max(window_number) AS newest FROM counted WHERE is_final)
        SELECT DISTINCT make_timestamptz(window_number * {seconds}000000) AS window_start
        FROM landed FULL JOIN counted USING (segment_id, window_number), final
        WHERE landed.event_count IS DISTINCT FROM counted.event_count
            AND window_number <= final.newest
        ORDER BY window_start
    """
    found = select(query, bronze=bronze.dataset(), silver=silver.dataset())
    return found["window_start"].to_pylist()


def touched_ranges(starts: list[datetime], *, before: timedelta, after: timedelta) -> list[Range]:
    """Ranges of window starts that each of ``starts`` touches, merged where they meet."""
    ranges: list[Range] = []
    for start in sorted(starts):
        begin, end = start - before, start + after
        if ranges and begin <= ranges[-1].end:
            ranges[-1] = Range(ranges[-1].start, max(end, ranges[-1].end))
        else:
            ranges.append(Range(begin, end))
    return ranges


def reconcile(lake: Lake, silver: SilverRecompute, gold: GoldRecompute) -> int:
    """Bring late readings into silver and gold; returns the rows of silver written.

    Raises:
        GateFailed: a row breaks a rule; nothing of its day was committed.
    """
    spec = lake.specs.transforms
    size = timedelta(seconds=spec.primary.size_seconds)
    longest = timedelta(seconds=max(window.size_seconds for window in spec.windows))
    starts = uncounted(lake)
    written = sum(
        silver.recompute(part)
        for part in touched_ranges(starts, before=longest - size, after=size)
    )
    reach = size * (lake.specs.ml.history_windows + 1)
    for part in touched_ranges(starts, before=timedelta(0), after=reach):
        gold.recompute(part)
    return written
