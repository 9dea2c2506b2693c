"""Backfill and correction: the stream's transforms over a range of bronze or silver."""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.commit import Note
from lakehouse.failpoints import failpoint
from lakehouse.jobs.batch_note import EPOCH
from lakehouse.jobs.bronze_panes import BRONZE, BronzePanes
from lakehouse.jobs.expired import without_expired
from lakehouse.jobs.gated import GatedTable
from lakehouse.jobs.newest import newest
from lakehouse.jobs.segments import Segments
from lakehouse.journal import Journal, now
from lakehouse.publish import Publisher
from lakehouse.sql import select
from lakehouse.tables import Lake
from lakehouse.transforms.network_kpi import network_kpi
from lakehouse.transforms.revision import changed_rows
from lakehouse.transforms.segment_metric import segment_metric
from lakehouse.transforms.window_aggregate import window_aggregate
from ml.grid import SpeedGrid
from ml.score import scores
from specs.tables import history_of
from specs.transforms import TransformSpec

if TYPE_CHECKING:
    from ml.score import LoadedModel

log = logging.getLogger(__name__)
SILVER = "silver.segment_metric"
SCORES, KPI = "gold.congestion_scores", "gold.network_kpi"
HOURS_AT_ONCE = (24, 12, 8, 6, 4, 3, 2, 1)
SEGMENT_HOURS_AT_ONCE = 48_000
"""That are in memory: some 600,000 windows of five minutes and three scores of each, 1 GB."""
ROWS_AT_ONCE = 25_000
"""That a core scores: their features are some 25 MB."""
CORRECTION = "recompute"
"""Job that the commits name; the stream knows by it that its windows were rewritten."""


@dataclass(frozen=True)
class Range:
    """Window starts from ``start`` (included) to ``end`` (excluded), UTC."""

    start: datetime
    end: datetime

    def chunks(self, segments: int) -> Iterator["Range"]:
        """The range cut at midnights, so that one day is in memory at a time.

        Of more than 2,000 ``segments`` it is an even part of a day, an hour at least.
        """
        fitting = (hours for hours in HOURS_AT_ONCE if hours * segments <= SEGMENT_HOURS_AT_ONCE)
        step = timedelta(hours=next(fitting, HOURS_AT_ONCE[-1]))
        start = self.start
        while start < self.end:
            midnight = datetime.combine(start.date(), datetime.min.time(), UTC)
            end = midnight + ((start - midnight) // step + 1) * step
            yield Range(start, min(end, self.end))
            start = end

    def reaching_back(self, spec: TransformSpec) -> "Range":
        """With the longer windows that began before and hold a primary window of the range.

        Late readings are looked for by primary windows alone, see `reconcile.uncounted`: whoever
        mends those has to mend all that hold them.
        """
        longer = timedelta(seconds=spec.longest_seconds - spec.primary.size_seconds)
        return replace(self, start=self.start - longer)

    def window_starts(self) -> pc.Expression:
        """The range as a filter on ``window_start`` and its partition."""
        dates = pc.field("window_date")
        starts = pc.field("window_start")
        days = (dates >= self.start.date()) & (dates <= self.end.date())
        return days & (starts >= self.start) & (starts < self.end)

    def of(self, aggregates: pa.Table) -> pa.Table:
        """Those of ``aggregates`` (``window_end``, ``window_seconds``) whose window starts here."""
        starts = "window_end - to_seconds(window_seconds)"
        return select(
            f"SELECT * FROM aggregates WHERE {starts} >= TIMESTAMPTZ '{self.start.isoformat()}'"
            f" AND {starts} < TIMESTAMPTZ '{self.end.isoformat()}'",
            aggregates=aggregates,
        ).cast(aggregates.schema)  # fmt: skip


class SilverRecompute:
    """Recomputes windows of silver.segment_metric from bronze."""

    def __init__(
        self, lake: Lake, bronze: BronzePanes, publisher: Publisher, source: str | None = None
    ) -> None:
        """Work on ``lake`` with the transforms of its specs; with ``source`` on that one alone."""
        self._lake, self._bronze = lake, bronze
        self._source = source
        self._journal = Journal(lake, [SILVER])
        self._segments = Segments(lake)
        self._silver = GatedTable(lake, SILVER, self._journal, publisher)

    def recompute(self, asked: Range) -> int:
        """Bring the windows that start in ``asked`` up to bronze; returns the rows written.

        Rows that are already as they should be are left alone, so doing it twice changes nothing.
        So are windows whose readings retention has removed.

        Raises:
            GateFailed: a row breaks a rule; nothing of its day, or part of a day, was committed.
        """
        watermark = self._watermark()
        chunks = asked.chunks(self._segments.rows.num_rows)
        written = sum(self._recompute(part, watermark) for part in chunks)
        self._journal.write()
        return written

    def _watermark(self) -> datetime:
        """Where the stream's watermark stands once it has read all of bronze."""
        bronze = self._lake.table(BRONZE)
        bronze.refresh()
        late = timedelta(seconds=self._lake.specs.transforms.watermark_seconds)
        return (newest(bronze, "event_time", "event_date") or EPOCH) - late

    def _recompute(self, part: Range, watermark: datetime) -> int:
        spec = self._lake.specs.transforms
        last = part.end + timedelta(seconds=spec.longest_seconds)
        panes = self._bronze.read(start=part.start, end=last)
        self._segments.refresh()  # after the readings, which may be of new ones
        aggregates = part.of(window_aggregate(panes, spec))
        rows = segment_metric(
            aggregates, self._segments.rows, self._lake.specs, watermark=watermark, at=now()
        )
        rows = without_expired(rows, self._lake.table(BRONZE))
        if self._source is not None:
            rows = rows.filter(pc.equal(rows["source"], self._source))
        table = self._silver.table
        table.refresh()
        existing = table.read(where=part.window_starts())
        return _correct(self._lake, self._silver, rows, existing)


class GoldRecompute:
    """Recomputes scores and KPIs from silver with one model."""

    def __init__(
        self, lake: Lake, model: "LoadedModel | None", publisher: Publisher,
        source: str | None = None,
    ) -> None:  # fmt: skip
        """Score with ``model``; without one only the KPIs are made. ``source``: only that one."""
        self._lake, self._model = lake, model
        self._source = source
        self._journal = Journal(lake, [SCORES, KPI])
        self._segments = Segments(lake)
        self._scores = GatedTable(lake, SCORES, self._journal, publisher)
        self._kpis = GatedTable(lake, KPI, self._journal)

    @property
    def has_model(self) -> bool:
        """It makes scores, not only KPIs."""
        return self._model is not None

    def recompute(self, asked: Range) -> int:
        """Bring scores and KPIs of windows that start in ``asked`` up to silver; rows written.

        Raises:
            GateFailed: a row breaks a rule; nothing of its day, or part of a day, was committed.
        """
        chunks = [*asked.chunks(self._segments.rows.num_rows)]
        # The latest first: a correction that ends early is owed by its own windows, the earliest.
        written = sum(self._recompute(part) for part in reversed(chunks))
        self._journal.write()
        return written

    def _recompute(self, part: Range) -> int:
        specs = self._lake.specs
        seconds = specs.transforms.primary.size_seconds
        history = timedelta(seconds=seconds * specs.ml.history_windows)
        silver = self._lake.table(SILVER)
        silver.refresh()
        known = Range(part.start - history, part.end).window_starts()
        rows = silver.read(where=known & (pc.field("window_seconds") == seconds))
        self._segments.refresh()
        asked = rows.filter(pc.greater_equal(rows["window_start"], part.start))
        if self._source is not None:  # the history of its neighbours stays
            asked = asked.filter(pc.equal(asked["source"], self._source))
        if not asked.num_rows:
            return 0
        written = self._write_kpis(asked, part)
        if self._model is not None:
            grid = SpeedGrid.from_tables(rows, self._segments.rows, specs.ml.label, seconds)
            made = _scored(self._model, grid, asked)
            table = self._scores.table
            table.refresh()
            existing = table.read(where=part.window_starts())
            written += _correct(self._lake, self._scores, made, existing, of_silver=True)
        return written

    def _write_kpis(self, metrics: pa.Table, part: Range) -> int:
        table = self._kpis.table
        table.refresh()
        starts = pc.field("window_start")
        existing = table.read(where=(starts >= part.start) & (starts < part.end))
        made = network_kpi(metrics, self._lake.specs, at=now())
        return _correct(self._lake, self._kpis, made, existing)


def _scored(model: "LoadedModel", grid: SpeedGrid, silver: pa.Table) -> pa.Table:
    """`ml.score.scores` of many rows, a part of them on each core.

    Parts are stretches of time: what a window's scores share is then made in one of them.
    """
    at, silver = now(), silver.sort_by("window_start")

    def part(first: int) -> pa.Table:
        return scores(model, grid, silver.slice(first, ROWS_AT_ONCE), scored_at=at)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return pa.concat_tables(pool.map(part, range(0, silver.num_rows, ROWS_AT_ONCE)))


def _correct(
    lake: Lake, gated: GatedTable, made: pa.Table, existing: pa.Table,
    *, of_silver: bool = False,
) -> int:  # fmt: skip
    """Gate, publish and commit what differs from the ``existing`` rows; no row, no commit.

    What is replaced goes to the table's history first, and what takes its place to the topic: a
    crash before the commit repeats both, after it nobody would know that the topic lacks it.
    """
    table = gated.table
    rows = changed_rows(made, existing, table.spec, of_silver=of_silver)
    if not rows.num_rows:
        return 0
    note = Note(
        job=CORRECTION, spec_version=lake.specs.version, verdicts={"corrected": rows.num_rows}
    )
    note = replace(note, gate=gated.check(rows, always=True))
    kept = history_of(table.spec)
    if kept is not None:
        keys = ", ".join(table.spec.key)
        replaced = select(
            f"SELECT * FROM existing SEMI JOIN rows USING ({keys})", existing=existing, rows=rows
        )
        if replaced.num_rows:
            lake.table(kept.table).merge(
                replaced, Note(job=CORRECTION, spec_version=note.spec_version)
            )
    gated.tell(rows)
    failpoint("recompute.between_history_and_rows")
    commit = table.merge(rows, note)
    log.info("rows corrected", extra={"facts": {
        "job": note.job, "table": commit.table, "table_version": commit.version,
        "rows": commit.rows_written,
    }})  # fmt: skip
    return commit.rows_written
