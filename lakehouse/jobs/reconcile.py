"""Late readings: finds the windows whose events silver has not counted, and recomputes them.

The stream drops a reading as old as its watermark. So it is looked for in the commits of bronze
that the stream has taken in since the last check, and its window is compared with silver's count.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.dataset import Dataset

from lakehouse.added_files import added_files
from lakehouse.commit import Note, Step
from lakehouse.delta_log import oldest_commit
from lakehouse.jobs.bronze_panes import BRONZE
from lakehouse.jobs.checkpoint import Told, reconciler, scorer, told
from lakehouse.jobs.recompute import SILVER, GoldRecompute, Range, SilverRecompute
from lakehouse.jobs.unscored import first_scored, unscored
from lakehouse.jobs.windows import FAR_FUTURE
from lakehouse.location import Place, parquet
from lakehouse.sql import select
from lakehouse.tables import Lake
from specs.errors import Fenced, Unavailable

MICROSECOND = timedelta(microseconds=1)
NONE = pa.schema(
    [("version", pa.int64()), ("window_start", pa.timestamp("us", tz="UTC"))]
).empty_table()


@dataclass(frozen=True)
class Late:
    """Readings as old as the watermark, in some commits of bronze.

    Attributes:
        starts: of the primary windows that they belong to, in order.
        through: last version that holds none of a window left out; the next check goes on there.
    """

    starts: list[datetime]
    through: int


def late(lake: Lake, after: int, reached: Told, *, with_open: bool = False) -> Late:
    """Look for late readings in the commits of bronze past ``after``.

    Some of them are counted: those that came before the watermark was where it is now. Windows that
    are not final are left out, unless ``with_open``.
    """
    size = timedelta(seconds=lake.specs.transforms.primary.size_seconds)
    found = _as_old_as(lake, after, reached, size)
    ends = pc.add(found["window_start"], pa.scalar(size, pa.duration("us")))
    is_due = pc.less_equal(
        ends, pa.scalar(FAR_FUTURE if with_open else reached.watermark, ends.type)
    )
    first_open = pc.min(found["version"].filter(pc.invert(is_due))).as_py()
    return Late(
        starts=sorted(pc.unique(found["window_start"].filter(is_due)).to_pylist()),
        through=reached.through if first_open is None else first_open - 1,
    )


def _as_old_as(lake: Lake, after: int, reached: Told, size: timedelta) -> pa.Table:
    """``version`` and ``window_start`` of the readings that are as old as the watermark."""
    bronze, wanted = lake.table(BRONZE), pc.field("event_time") <= reached.watermark
    parts = []
    oldest = oldest_commit(bronze.folder)
    if oldest > after + 1:  # the log was cleaned, so all readings are looked at
        bronze.refresh()
        parts.append(_starts(bronze.dataset(), wanted, size, oldest))
        after = oldest
    try:
        for file in added_files(bronze.folder, after, reached.through):
            if file.has_until("event_time", reached.watermark):
                parts.append(_starts(parquet(file.path), wanted, size, file.version))
    except FileNotFoundError as error:
        raise Unavailable(f"bronze's log was cleaned while it was read: {error}") from error
    return pa.concat_tables(parts) if parts else NONE


def _starts(readings: Dataset, wanted: pc.Expression, size: timedelta, version: int) -> pa.Table:
    """The windows of ``readings``, each once."""
    times = readings.to_table(columns=["event_time"], filter=wanted)
    query = f"""
        SELECT DISTINCT {version}::BIGINT AS version, {_window_start(size)} AS window_start
        FROM times
    """
    return select(query, times=times).cast(NONE.schema)


def _window_start(size: timedelta) -> str:
    micros = size // MICROSECOND
    return f"make_timestamptz(epoch_us(event_time) // {micros} * {micros})"


def uncounted(lake: Lake, starts: list[datetime]) -> list[datetime]:
    """Those of the primary windows where bronze and silver disagree on a segment's count of events.

    Bronze's side is counted anew, so that whatever the stream dropped there is found.
    """
    if not starts:
        return []
    size = timedelta(seconds=lake.specs.transforms.primary.size_seconds)
    low, high, days = min(starts), max(starts) + size, sorted({start.date() for start in starts})
    event_time, event_date = pc.field("event_time"), pc.field("event_date")
    bronze = lake.table(BRONZE)
    bronze.refresh()
    landed = bronze.read(
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
    query = f"""
        WITH truth AS (
            SELECT segment_id, {_window_start(size)} AS window_start,
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
        self,
        lake: Lake,
        checkpoint: Place,
        silver: Callable[[], SilverRecompute],
        gold: Callable[[], GoldRecompute],
    ) -> None:
        """Follow the stream of ``checkpoint``.

        ``silver`` and ``gold`` are asked for where there is something to recompute: Spark takes
        seconds to start, and ``gold`` recomputes with the champion of now.
        """
        self._lake, self._checkpoint = lake, checkpoint
        self._silver, self._gold = silver, gold

    def reconcile(self, *, with_open: bool = False) -> int:
        """Recompute the final windows that lack readings or scores.

        Args:
            with_open: also those that are not final, for whom no further batch may come soon. A
                stream that runs reads them anew.

        Returns:
            Rows of silver that were written.

        Raises:
            GateFailed: a row breaks a rule; nothing of its day was committed.
            Unavailable: the commits kept conflicting with the stream's.
        """
        reached = told(self._lake, self._checkpoint)
        if reached is None:
            return 0
        looked, scored = reconciler(self._checkpoint), scorer(self._checkpoint)
        silver = self._lake.table(SILVER)
        silver.refresh()
        before, complete = silver.progress(looked), silver.progress(scored)
        found = late(self._lake, -1 if before is None else before, reached, with_open=with_open)
        starts = uncounted(self._lake, found.starts)
        owed = self._owe(scored, starts) if starts else complete
        written = self._recompute(starts)
        now_complete = self._score(complete, None if with_open else reached.watermark)
        steps = []
        if found.through > (-1 if before is None else before):
            steps.append(Step(looked, before, found.through))
        if now_complete is not None and (steps or owed != complete):
            steps.append(Step(scored, owed, now_complete))
        if steps:
            with suppress(Fenced):  # another has come as far meanwhile
                self._note(steps)
        return written

    def _note(self, steps: list[Step]) -> None:
        silver = self._lake.table(SILVER)
        silver.refresh()
        note = Note(job="reconcile", spec_version=self._lake.specs.version)
        silver.append(silver.schema.empty_table(), note, steps)

    def _owe(self, scored: str, starts: list[datetime]) -> int | None:
        """Say that gold is complete up to these windows only, before silver is corrected there.

        Should we end before gold has followed, whoever looks next looks from there. Returns up to
        when it is complete now; None: nobody has ever said, and all is looked at.
        """
        silver, first = self._lake.table(SILVER), int(min(starts).timestamp())
        while True:
            silver.refresh()
            before = silver.progress(scored)
            if before is None or before <= first:
                return before
            with suppress(Fenced):  # another looks too
                self._note([Step(scored, before, first)])
                return first

    def _recompute(self, starts: list[datetime]) -> int:
        """Bring every window that holds one of ``starts`` up to bronze, then what looks back."""
        if not starts:
            return 0
        spec = self._lake.specs.transforms
        size = timedelta(seconds=spec.primary.size_seconds)
        longest = timedelta(seconds=spec.longest_seconds)
        silver = self._silver()
        written = sum(
            silver.recompute(part)
            for part in touched_ranges(starts, before=longest - size, after=size)
        )
        self._follow(starts, self._gold())
        return written

    def _follow(self, starts: list[datetime], gold: GoldRecompute) -> None:
        """Make scores and KPIs of these primary windows anew, and of those that look back."""
        spec = self._lake.specs
        reach = spec.transforms.primary.size_seconds * (spec.ml.history_windows + 1)
        for part in touched_ranges(starts, before=timedelta(0), after=timedelta(seconds=reach)):
            gold.recompute(part)

    def _score(self, complete: int | None, until: datetime | None) -> int | None:
        """Score the windows that have no score, or that a correction brought to silver alone.

        Args:
            complete: gold is so far, in seconds since the epoch; None: look from its beginning.
            until: windows that ended by then; None for all.

        Returns:
            How far it is now.
        """
        since = first_scored(self._lake) if complete is None else _moment(complete)
        if since is None:
            return None
        starts = unscored(self._lake, since, until)
        if starts:
            gold = self._gold()
            if not gold.has_model:
                return complete
            self._follow(starts, gold)
        size = timedelta(seconds=self._lake.specs.transforms.primary.size_seconds)
        # The window that holds ``until`` is open.
        reached = since if until is None else max(since, until - size)
        return int(reached.timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
