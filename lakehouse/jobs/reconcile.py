"""Late readings: finds the windows whose events silver has not counted, and recomputes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow.compute as pc

from lakehouse.jobs.bronze_panes import BRONZE
from lakehouse.jobs.recompute import SILVER, GoldRecompute, Range, SilverRecompute
from lakehouse.jobs.unscored import first_scored, unscored
from lakehouse.sql import select
from lakehouse.tables import Lake

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Checked:
    """How far earlier checks went.

    Attributes:
        offsets: partition to the last offset that was looked at, open windows excepted. Not a
            time: a reading is stamped before its commit, so one of an earlier stamp may come.
        final_until: windows that ended up to then were final.
    """

    offsets: Mapping[int, int]
    final_until: datetime


def final_until(lake: Lake) -> datetime | None:
    """End of the newest final window of silver; None where none is."""
    silver = lake.table(SILVER)
    silver.refresh()
    ends = silver.read(columns=["window_end"], where=pc.field("is_final"))["window_end"]
    return pc.max(ends).as_py() if len(ends) else None


def uncounted(
    lake: Lake, final: datetime, checked: Checked | None = None
) -> tuple[list[datetime], Checked]:
    """Starts of the final primary windows where bronze and silver disagree on a count of events.

    Bronze's side is counted anew, so that whatever the stream dropped, for whatever reason, is
    found. Windows that the stream may still change are left to it.

    Args:
        lake: the tables.
        final: windows that end up to then are final.
        checked: what an earlier call has seen; only what has come since is looked at.

    Returns:
        The starts, in order, and what this call has seen.
    """
    size = timedelta(seconds=lake.specs.transforms.primary.size_seconds)
    starts, seen = _candidates(lake, final, checked, size)
    return (_disagreeing(lake, starts, size) if starts else []), seen


def _disagreeing(lake: Lake, starts: list[datetime], size: timedelta) -> list[datetime]:
    """Those of ``starts`` where bronze and silver disagree on a segment's count of events."""
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
) -> tuple[list[datetime], Checked]:
    """Starts of the final windows that readings not checked yet belong to."""
    bronze = lake.table(BRONZE)
    bronze.refresh()
    columns = ["partition", "offset", "event_time"]
    landed = bronze.read(columns=columns, where=None if checked is None else _unseen(checked))
    newest = select(
        'SELECT partition, max("offset") AS reached FROM landed GROUP BY ALL', landed=landed
    )
    offsets = dict(checked.offsets) if checked is not None else {}
    for row in newest.to_pylist():
        offsets[row["partition"]] = max(row["reached"], offsets.get(row["partition"], -1))
    micros = size // MICROSECOND
    query = f"""
        SELECT DISTINCT make_timestamptz(epoch_us(event_time) // {micros} * {micros})
            AS window_start FROM landed ORDER BY window_start
    """
    starts = select(query, landed=landed)["window_start"].to_pylist()
    return [start for start in starts if start + size <= final], Checked(offsets, final)


def _unseen(checked: Checked) -> pc.Expression:
    """Readings of windows that were open, or past the offsets that were looked at.

    Only comparisons: by these Arrow skips the files whose statistics rule them out.
    """
    partition, offset = pc.field("partition"), pc.field("offset")
    partitions = range(max(checked.offsets, default=-1) + 1)
    unseen = (pc.field("event_time") >= checked.final_until) | (partition >= len(partitions))
    for number in partitions:
        past = offset > checked.offsets.get(number, -1)
        unseen = unseen | ((partition == number) & past)
    return unseen


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
    """Brings late readings into silver and gold, and scores that no model was there to make.

    Does it again and again, at little cost.
    """

    def __init__(
        self, lake: Lake, silver: SilverRecompute, gold: Callable[[], GoldRecompute]
    ) -> None:
        """Work on ``lake``; ``gold`` gives the recompute with the champion of the moment."""
        self._lake, self._silver, self._gold = lake, silver, gold
        self._checked: Checked | None = None
        self._scored_until: datetime | None = None

    def reconcile(self) -> int:
        """Recompute the final windows that lack readings or scores.

        Returns:
            Rows of silver that were written.

        Raises:
            GateFailed: a row breaks a rule; nothing of its day was committed.
            Unavailable: the commits kept conflicting with the stream's.
        """
        final = final_until(self._lake)
        if final is None:
            return 0
        spec = self._lake.specs.transforms
        size = timedelta(seconds=spec.primary.size_seconds)
        longest = timedelta(seconds=spec.longest_seconds)
        starts, checked = uncounted(self._lake, final, self._checked)
        written = sum(
            self._silver.recompute(part)
            for part in touched_ranges(starts, before=longest - size, after=size)
        )
        reach = size * (self._lake.specs.ml.history_windows + 1)
        if starts:
            gold = self._gold()
            for part in touched_ranges(starts, before=timedelta(0), after=reach):
                gold.recompute(part)
        self._checked = checked
        self._score(final - size)
        return written

    def _score(self, until: datetime) -> None:
        """Score the windows that ended up to ``until`` and have none; the stream has the newest."""
        since = self._scored_until or first_scored(self._lake)
        if since is None or not (starts := unscored(self._lake, since, until)):
            self._scored_until = since and max(since, until)
            return
        gold = self._gold()
        if gold.has_model:
            size = timedelta(seconds=self._lake.specs.transforms.primary.size_seconds)
            for part in touched_ranges(starts, before=timedelta(0), after=size):
                gold.recompute(part)
            self._scored_until = max(since, until)
