"""The stream: bronze to silver to gold, one Spark micro-batch after the other.

Spark sums up batch N + 1 while silver and gold take batch N. So Spark's checkpoint may be a batch
ahead of the tables; a start brings them up to it from bronze.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.collector import keep_loaded
from lakehouse.commit import Note
from lakehouse.failpoints import failpoint
from lakehouse.jobs.batch_note import BatchNote, keep, noted
from lakehouse.jobs.bronze_panes import BRONZE, BronzePanes
from lakehouse.jobs.checkpoint import (
    Span,
    has_all_to_read,
    last_finished,
    read_options,
    span,
    writer,
)
from lakehouse.jobs.deliveries import Counted, Deliveries
from lakehouse.jobs.expired import without_expired
from lakehouse.jobs.gated import GatedTable
from lakehouse.jobs.gold import Gold
from lakehouse.jobs.model_watch import ModelWatch
from lakehouse.jobs.newest import since_window
from lakehouse.jobs.one_behind import OneBehind
from lakehouse.jobs.open_windows import OpenWindows
from lakehouse.jobs.recompute import CORRECTION
from lakehouse.jobs.segments import Segments
from lakehouse.jobs.windows import FAR_FUTURE, Windows
from lakehouse.journal import Journal, now
from lakehouse.location import Place, has_gap
from lakehouse.publish import Publisher
from lakehouse.tables import Lake
from lakehouse.transforms.pane import counted_readings, pane_aggregate
from lakehouse.transforms.reading_panes import EVENT_COLUMNS, reading_panes
from lakehouse.transforms.segment_metric import segment_metric

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

log = logging.getLogger(__name__)
SILVER = "silver.segment_metric"
TIMESTAMP = pa.timestamp("us", tz="UTC")
POLL_SECONDS = 0.5
MOST_GAPS = 20
"""So often may a query end of a listing that lacked a commit, before it has finished a batch."""

Summed = tuple[pa.Table, BatchNote]
SumUp = Callable[["DataFrame", int], Summed]


@dataclass(frozen=True)
class StreamPace:
    """How bronze is cut into micro-batches.

    Attributes:
        trigger_seconds: a batch begins at most this often.
        max_bytes: about how many bytes of bronze files a batch reads.
        small_rows: a batch of up to so many is summed up where it is, without a job of Spark's.
        recompute_small_rows: so is what is read again, of up to so many.
    """

    trigger_seconds: float
    max_bytes: int
    small_rows: int = 0
    recompute_small_rows: int = 0


@dataclass
class Streamed:
    """What the commits reported so far."""

    batches: int = 0
    silver_rows: int = 0
    score_rows: int = 0


class Stopped(Exception):
    """A batch came after the stream was asked to stop; it is repeated at the next start."""


class Stream:
    """Driver side of the stream: what happens to the windows that a micro-batch changed."""

    def __init__(
        self, lake: Lake, checkpoint: Place, publisher: Publisher, models: ModelWatch | None
    ) -> None:
        """Take up where the tables and ``checkpoint`` stand."""
        self._lake, self._checkpoint = lake, checkpoint
        self.done = Streamed()
        self._one_batch, self._stopping = threading.Lock(), False
        self._tables_side, self._small_rows = OneBehind(), 0
        self._journal = Journal(lake, [SILVER, "gold.congestion_scores", "gold.network_kpi"])
        self._segments = Segments(lake)
        self.silver = GatedTable(lake, SILVER, self._journal, publisher)
        self.silver.gate.warm_up()
        self.gold = Gold(lake, self._segments, self._journal, publisher, models)

    def start(self, spark: "SparkSession", pace: StreamPace, *, once: bool) -> "StreamingQuery":
        """Start the query; with ``once`` it ends when it has caught up.

        Raises:
            GateFailed: what an earlier run left to do was refused.
        """
        bronze = self._lake.table(BRONZE).folder
        spec = self._lake.specs.transforms
        panes = BronzePanes(self._lake, lambda: spark, pace.recompute_small_rows)
        read_panes = partial(panes.read, end=FAR_FUTURE)
        self._small_rows = pace.small_rows
        self.take_up(Windows(spec, self._checkpoint, read_panes), self._sum_up_once)
        events = (
            spark.readStream.format("delta")
            .options(**read_options(bronze, self._checkpoint, pace.max_bytes))
            .option("ignoreDeletes", True)  # days past their retention
            .load(str(bronze))
        )
        every = f"{round(pace.trigger_seconds * 1000)} milliseconds"
        trigger = {"availableNow": True} if once else {"processingTime": every}
        return (
            events.select(*EVENT_COLUMNS, "partition", "offset")
            .writeStream.queryName("traffic-stream")
            .outputMode("append")
            .option("checkpointLocation", str(self._checkpoint))
            .trigger(**trigger)
            .foreachBatch(self.take_batch)
            .start()
        )

    def _sum_up_once(self, readings: "DataFrame", batch_id: int) -> Summed:
        """Panes of the readings that count.

        Raises:
            AssertionError: Spark has read others than the driver.
        """
        spec, counted = self._lake.specs.transforms, self._deliveries.take(batch_id)
        if counted.rows is None:
            chosen = counted_readings(readings, after=counted.after, but=counted.but)
            panes = pane_aggregate(chosen, spec).toArrow()
        else:
            panes = reading_panes(counted.rows, spec)
        read = pc.sum(panes["event_count"]).as_py() or 0
        if read != counted.readings:
            raise AssertionError(f"batch {batch_id}: {read} readings are not {counted.readings}")
        self._tell(counted)
        return panes, counted.note

    def take_batch(self, readings: "DataFrame", batch_id: int) -> None:
        """Sum up one micro-batch and hand it on to silver and gold.

        Args:
            readings: of the batch, as they are in bronze.
            batch_id: Spark's number of the batch.

        Raises:
            GateFailed: a row of the batch before breaks a rule; nothing of its layer was committed.
            Fenced: another driver runs the same stream.
        """
        began = time.perf_counter()
        with self._one_batch:
            if self._stopping:
                raise Stopped
            panes, note = self._sum_up(readings, batch_id)
            keep(self._checkpoint, batch_id, note)
            plan = span(self._checkpoint, batch_id)
            failpoint("stream.batch_begun")
            self._tables_side.take(lambda: self._bring(panes, plan, batch_id))
        self._lake.metrics.observe(
            "traffic_batch_duration_seconds", time.perf_counter() - began, job="stream"
        )

    def run(
        self, begin: Callable[[], "StreamingQuery"], stopped: Callable[[], bool],
        beside: Callable[[], None],
    ) -> None:  # fmt: skip
        """Begin the query and wait until it ends or ``stopped()``; a batch in hand is finished.

        ``beside`` is called again and again while the query runs. One that took a commit of bronze
        for lost which is there is begun again, where it stands.

        Raises:
            GateFailed: a batch was refused.
            Unavailable: a server did not answer.
        """
        keep_loaded()
        stood, gaps = last_finished(self._checkpoint), 0
        while (failure := self._run(begin, stopped, beside)) is not None:
            if not has_gap(failure) or not has_all_to_read(self._lake, self._checkpoint):
                raise failure
            before, stood = stood, last_finished(self._checkpoint)
            gaps = gaps + 1 if stood == before else 1
            if gaps > MOST_GAPS:
                raise failure
            if stopped():
                return
            log.warning("a listing of bronze's log lacked a commit; the stream goes on")
            time.sleep(POLL_SECONDS)  # a lander that catches up commits in a burst

    def _run(
        self, begin: Callable[[], "StreamingQuery"], stopped: Callable[[], bool],
        beside: Callable[[], None],
    ) -> Exception | None:  # fmt: skip
        """What the query ended of, if of anything."""
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException, StreamingQueryException

        try:
            query = begin()
        except (PySparkException, Py4JError) as failure:
            return failure
        try:
            while query.isActive and not (stopped() or self._tables_side.has_failed):
                try:
                    query.awaitTermination(POLL_SECONDS)  # type: ignore[arg-type]  # takes floats
                except StreamingQueryException as failure:
                    return failure
                beside()
            return query.exception()
        finally:
            self._stop(query)

    def _stop(self, query: "StreamingQuery") -> None:
        """End the query and finish the batch at hand; what Spark has begun meanwhile it repeats.

        A failure of ours is raised as it was: Spark's own report of it buries it in a plan.
        """
        from pyspark.sql import SparkSession

        from lakehouse.spark import LOG_LEVEL

        self._stopping = True
        with self._one_batch:
            pass  # Spark has summed up the batch at hand
        if query.isActive:
            context = SparkSession.active().sparkContext
            context.setLogLevel("OFF")  # Spark is loud about being interrupted
            query.stop()
            context.setLogLevel(LOG_LEVEL)
        self.finish()

    def finish(self) -> None:
        """Wait until silver and gold have the batch at hand; raises what refused it."""
        self._tables_side.finish()

    def take_up(self, windows: Windows, sum_up: SumUp) -> None:
        """Bring into the tables what the checkpoint has finished and they lack.

        Args:
            windows: nothing summed up yet.
            sum_up: `pane_aggregate` of those readings of a micro-batch that count, and its note.

        Raises:
            GateFailed: it was refused.
        """
        self._stopping, self._tables_side, self._windows = False, OneBehind(), windows
        self._sum_up = sum_up
        self._seen = self.silver.table.refresh()
        self.gold.forget_history()  # of an earlier query: another may have corrected it meanwhile
        self._lake.table(BRONZE).refresh()  # what retention has removed by now
        finished = last_finished(self._checkpoint)
        self._deliveries = Deliveries(self._lake, self._checkpoint, finished, self._small_rows)
        told = None
        if finished is not None:
            told = self.gold.kpis.table.progress(writer(self._checkpoint))
        self._open = OpenWindows(self._opened(told, finished))
        if finished is None:
            return
        lacking = told is None or told < finished
        left = None if told is None else min(told, finished)
        self._windows.read_anew(left, finished, tell=lacking)
        if lacking:
            failpoint("stream.taking_up")
            self._bring(None, span(self._checkpoint, finished), finished)

    def _bring(self, panes: pa.Table | None, plan: Span, batch_id: int) -> None:
        """Bring one batch into silver and gold; doing it twice changes nothing."""
        if self._was_corrected() and batch_id:
            left = batch_id - 1
            self._windows.read_anew(left, left, tell=True)
            self._open = OpenWindows(self._opened(left, batch_id))
            self.gold.forget_history()
        if self._segments.refresh():
            self.gold.forget_history()
        aggregates = self._windows.changed(panes, plan.watermark)
        at = now()
        rows = segment_metric(
            aggregates, self._segments.rows, self._lake.specs, watermark=plan.watermark, at=at
        )
        rows = without_expired(rows, self._lake.table(BRONZE))
        rows = self._open.upserts(
            rows, pa.scalar(plan.watermark, TIMESTAMP), pa.scalar(at, TIMESTAMP)
        )
        note, name = self._note(plan, batch_id), writer(self._checkpoint)
        silver_rows, left_out = 0, noted(self._checkpoint, batch_id).verdicts
        if rows.num_rows or left_out:
            told = replace(note, verdicts=left_out)
            silver_rows = self.silver.merge_batch(rows, told, name, batch_id)
            self.done.batches += 1
        failpoint("stream.between_silver_and_gold")
        score_rows = self.gold.score(rows, self._open.rows, note, name, batch_id)
        self.silver.publish(rows, news_only=True)  # to make the messages takes time: scores first
        self.gold.sum_up(rows, self._open.rows, note, name, batch_id)
        failpoint("stream.batch_done")
        self.done.silver_rows += silver_rows
        self.done.score_rows += score_rows
        self._journal.write_if_due()
        log.info("batch streamed", extra={"facts": {
            "job": "stream", "batch_id": batch_id, "bronze_versions": plan.versions,
            "silver_rows": silver_rows, "score_rows": score_rows,
        }})  # fmt: skip

    def _tell(self, counted: Counted) -> None:
        """Tell Prometheus of event time, the events that are remembered, and the late ones."""
        metrics, seen = self._lake.metrics, self._deliveries.seen
        with metrics.measured():
            metrics.set("traffic_state_rows", len(seen))
            metrics.set("traffic_state_bytes", seen.size_bytes)
            metrics.count("traffic_late_rows_total", counted.note.late)
            rows = counted.readings + sum(counted.note.verdicts.values())
            metrics.observe("traffic_batch_rows", rows, job="stream")
            if counted.newest is not None:
                delay = (counted.newest - counted.note.watermark).total_seconds()
                metrics.set("traffic_watermark_delay_seconds", delay)

    def report(self) -> dict[str, float]:
        """What the commits reported, and the CPU time of the gates."""
        gates = (self.silver.gate, self.gold.scores.gate, self.gold.kpis.gate)
        return {
            **asdict(self.done), "gate_cpu_seconds": sum(gate.cpu_seconds for gate in gates),
            "metrics_cpu_seconds": self._lake.metrics.cpu_seconds,
        }  # fmt: skip

    def close(self) -> None:
        """Write the books."""
        self._journal.write()
        self.gold.close()

    def _was_corrected(self) -> bool:
        """Another has rewritten windows since the last batch, in whatever process."""
        silver, seen = self.silver.table, self._seen
        self._seen = silver.refresh()
        notes = (commit.note for commit in silver.commits(seen))
        return any(note is not None and note["job"] == CORRECTION for note in notes)

    def _opened(self, told: int | None, finished: int | None) -> pa.Table:
        """Windows that batch ``told`` left open; before the first, all that are not final.

        Some of them a later batch has closed by now, or a correction that was ahead of the stream.
        """
        where, end = ~pc.field("is_final"), pc.field("window_end")
        if told is not None and finished is not None:
            watermark = span(self._checkpoint, min(told, finished)).watermark
            longest = timedelta(seconds=self._lake.specs.transforms.longest_seconds)
            where = since_window(watermark - longest) & (end > watermark)
        elif finished is not None:
            where = where | (end > span(self._checkpoint, finished).watermark)
        self.silver.table.refresh()
        return self.silver.table.read(where=where)

    def _note(self, plan: Span, batch_id: int) -> Note:
        return Note(
            job="stream", spec_version=self._lake.specs.version, batch_id=batch_id,
            source_versions=plan.versions,
        )  # fmt: skip
