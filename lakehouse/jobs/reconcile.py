"""Late readings: finds the windows whose events silver has not counted, and recomputes them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow.compute as pc

from lakehouse.jobs.recompute import BRONZE, SILVER, GoldRecompute, Range, SilverRecompute
from lakehouse.sql import select
from lakehouse.tables import Lake

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Checked:
    """How far earlier checks went.

    Attributes:
        landed_at: readings that landed up to then were looked at, those of open windows excepted.
        final_until: windows that ended up to then were final.
    """

    landed_at: datetime
    final_until: datetime


def final_until(lake: Lake) -> datetime | None:
    """End of the newest final window of silver; None where none is."""
    silver = lake.table(SILVER)
    silver.refresh()
    ends = silver.read(columns=["window_end"], where=pc.field("is_final"))["window_end"]
    return pc.max(ends).as_py() if len(ends) else None


def uncounted(lake: Lake, final: datetime, checked: Checked | None = None) -> list[datetime]:
    """Starts of the final primary windows where bronze and silver disagree on a count of events.

    Bronze's side is counted anew, so that whatever the stream dropped, for whatever reason, is
    found. Windows that the stream may still change are left to it.

    Args:
        lake: the tables.
        final: windows that end up to then are final.
        checked: what an earlier call has seen; only what has come since is looked at.
    """
    size = timedelta(seconds=lake.specs.transforms.primary.size_seconds)
    starts = _candidates(lake, final, checked, size)
    if not starts:
        return []
    low, high, days = min(starts), max(starts) + size, sorted({start.date() for start in starts})
    event_time, event_date = pc.field("event_time"), pc.field("event_date")
    landed = lake.table(BRONZE).read(
        columns=["segment_id", "event_id", "event_time"],
        where=event_date.isin(days) & (event_time >= low) & (event_time < high),
    )
    silver = lake.table(SILVER)
    silver.refresh()
    counted = silver.read(
        columns=["segment_id", "window_start", "event_count"],
        where=pc.field("window_date").isin(days)
        & (pc.field("window_seconds") == int(size.total_seconds()))
        & (pc.field("window_start") >= low) & (pc.field("window_start") < high),
    )  # fmt: skip
    micros = size // MICROSECOND
    query = f"""
        WITH truth AS (
            SELECT segment_id,
                make_timestamptz(epoch_us(event_time) // {micros} * {micros}) AS window_start,
                count(DISTINCT event_id) AS event_count
            FROM landed GROUP BY ALL
        )
        SELECT DISTINCT window_start
        FROM truth FULL JOIN counted USING (segment_id, window_start)
        WHERE truth.event_count IS DISTINCT FROM counted.event_count
        ORDER BY window_start
    """
    wrong = select(query, landed=landed, counted=counted)["window_start"].to_pylist()
    asked = set(starts)
    return [start for start in wrong if start in asked]


def _candidates(
    lake: Lake, final: datetime, checked: Checked | None, size: timedelta
) -> list[datetime]:
    """Starts of the final windows that readings not checked yet belong to."""
    bronze = lake.table(BRONZE)
    bronze.refresh()
    where = pc.field("event_time") < final
    if checked is not None:
        late = pc.field("landed_at") > checked.landed_at
        where = where & (late | (pc.field("event_time") >= checked.final_until))
    times = bronze.read(columns=["event_time"], where=where)
    micros = size // MICROSECOND
    query = f"""
        SELECT DISTINCT make_timestamptz(epoch_us(event_time) // {micros} * {micros})
            AS window_start FROM times ORDER BY window_start
    """
    found: Iterable[datetime] = select(query, times=times)["window_start"].to_pylist()
    return [start for start in found if start + size <= final]


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


class Reconciler:
    """Brings late readings into silver and gold, again and again at little cost."""

    def __init__(
        self, lake: Lake, silver: SilverRecompute, gold: Callable[[], GoldRecompute]
    ) -> None:
        """Work on ``lake``; ``gold`` gives the recompute with the champion of the moment."""
        self._lake, self._silver, self._gold = lake, silver, gold
        self._checked: Checked | None = None

    def reconcile(self, at: datetime) -> int:
        """Recompute the final windows that lack readings; returns the rows of silver written.

        Args:
            at: now; what lands later is left to the next call.

        Raises:
            GateFailed: a row breaks a rule; nothing of its day was committed.
            Unavailable: the commits kept conflicting with the stream's.
        """
        final = final_until(self._lake)
        if final is None:
            return 0
        spec = self._lake.specs.transforms
        size = timedelta(seconds=spec.primary.size_seconds)
        longest = timedelta(seconds=max(window.size_seconds for window in spec.windows))
        starts = uncounted(self._lake, final, self._checked)
        written = sum(
            self._silver.recompute(part)
            for part in touched_ranges(starts, before=longest - size, after=size)
        )
        reach = size * (self._lake.specs.ml.history_windows + 1)
        if starts:
            gold = self._gold()
            for part in touched_ranges(starts, before=timedelta(0), after=reach):
                gold.recompute(part)
        self._checked = Checked(at, final)
        return written
