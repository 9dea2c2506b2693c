"""The stream: bronze to silver to gold, one Spark micro-batch after the other."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.failpoints import failpoint
from lakehouse.jobs.bronze_panes import BRONZE, bronze_panes
from lakehouse.jobs.checkpoint import (
    EPOCH,
    Span,
    query_id,
    read_through,
    span,
    start_options,
    unfinished,
)
from lakehouse.jobs.gated import GatedTable
from lakehouse.jobs.gold import Gold
from lakehouse.jobs.model_watch import ModelWatch
from lakehouse.jobs.open_panes import OpenPanes, first_pane_end
from lakehouse.jobs.open_windows import OpenWindows
from lakehouse.jobs.segments import Segments
from lakehouse.journal import Journal, now
from lakehouse.publish import Publisher
from lakehouse.tables import Lake, Note, Step
from lakehouse.transforms.pane import pane_aggregate
from lakehouse.transforms.segment_metric import segment_metric

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

SILVER = "silver.segment_metric"
FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)
TIMESTAMP = pa.timestamp("us", tz="UTC")
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class StreamPace:
    """How bronze is cut into micro-batches.

    Attributes:
        trigger_seconds: a batch begins at most this often.
        max_bytes: about how many bytes of bronze files a batch reads.
    """

    trigger_seconds: float
    max_bytes: int


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
        self, lake: Lake, checkpoint: Path, publisher: Publisher, models: ModelWatch | None
    ) -> None:
        """Take up where the tables and ``checkpoint`` stand."""
        self._lake, self._checkpoint = lake, checkpoint
        self._publisher = publisher
        self.done = Streamed()
        self.silver_was_corrected = threading.Event()
        self._one_batch, self._stopping = threading.Lock(), False
        self._failure: Exception | None = None
        self._journal = Journal(lake, [SILVER, "gold.congestion_scores", "gold.network_kpi"])
        self._segments = Segments(lake)
        self.silver = GatedTable(lake, SILVER, self._journal, publisher)
        self.silver.gate.warm_up()
        self._open = OpenWindows(lake.specs.tables[SILVER], self._opened())
        self._panes: OpenPanes | None = None
        self.gold = Gold(lake, self._segments, self._journal, publisher, models)

    def start(self, spark: "SparkSession", pace: StreamPace, *, once: bool) -> "StreamingQuery":
        """Start the query; with ``once`` it ends when it has caught up."""
        self._lake.table(BRONZE)
        events = (
            spark.readStream.format("delta")
            .options(**start_options(self._lake.folder(BRONZE), self._checkpoint))
            .option("ignoreDeletes", True)  # days past their retention
            .option("maxBytesPerTrigger", pace.max_bytes)
            .load(str(self._lake.folder(BRONZE)))
        )
        every = f"{round(pace.trigger_seconds * 1000)} milliseconds"
        trigger = {"availableNow": True} if once else {"processingTime": every}
        return (
            pane_aggregate(events, self._lake.specs.transforms)
            .writeStream.queryName("traffic-stream")
            .outputMode("update")
            .option("checkpointLocation", str(self._checkpoint))
            .trigger(**trigger)
            .foreachBatch(self.take_batch)
            .start()
        )

    def take_batch(self, changed: "DataFrame", batch_id: int) -> None:
        """Bring one micro-batch into silver and gold; doing it twice changes nothing.

        Args:
            changed: `pane_aggregate` of the panes that the batch changed.
            batch_id: Spark's number of the batch.

        Raises:
            GateFailed: a row breaks a rule; nothing of its layer was committed.
            Fenced: another driver runs the same stream.
        """
        with self._one_batch:
            if self._stopping:
                raise Stopped
            try:
                self._take_batch(changed, batch_id)
            except Exception as error:
                self._failure = error  # Spark's own report of it buries it in a plan
                raise

    def run(
        self, query: "StreamingQuery", stopped: Callable[[], bool], beside: Callable[[], None]
    ) -> None:
        """Wait until the query ends or ``stopped()``; a batch that has begun is finished.

        ``beside`` is called again and again while the query runs.

        Raises:
            GateFailed: a batch was refused.
            Unavailable: a server did not answer.
        """
        try:
            while query.isActive and not stopped():
                query.awaitTermination(POLL_SECONDS)  # type: ignore[arg-type]  # takes floats
                beside()
            if query.isActive:
                self._stop(query)
            elif (failure := query.exception()) is not None:
                raise failure  # it ended while we were busy beside it
        except Exception:
            if self._failure is None:
                raise
            raise self._failure from None

    def _stop(self, query: "StreamingQuery") -> None:
        """End the query between two batches; what Spark has begun meanwhile it repeats."""
        from pyspark.sql import SparkSession

        self._stopping = True
        with self._one_batch:
            pass  # the batch at hand has finished
        session = SparkSession.getActiveSession()
        if session is not None:
            session.sparkContext.setLogLevel("OFF")  # Spark is loud about being interrupted
        query.stop()

    def _take_batch(self, changed: "DataFrame", batch_id: int) -> None:
        plan = span(self._checkpoint, batch_id)
        corrected = self.silver_was_corrected.is_set()
        if corrected:
            self.silver_was_corrected.clear()
            self._panes = None
            self._open = OpenWindows(self._lake.specs.tables[SILVER], self._opened())
        if self._segments.refresh() or corrected:
            self.gold.forget_history()
        aggregates = self._windows(changed, plan, batch_id)
        at = now()
        rows = segment_metric(
            aggregates, self._segments.rows, self._lake.specs, watermark=plan.watermark, at=at
        )
        rows = self._open.upserts(
            rows, pa.scalar(plan.watermark, TIMESTAMP), pa.scalar(at, TIMESTAMP)
        )
        if rows.num_rows:
            note = self._note(plan, batch_id)
            writer = f"stream/{query_id(self._checkpoint)}"
            self._commit_silver(rows, note, writer, batch_id)
            self.silver.publish(rows, news_only=True)
            failpoint("stream.between_silver_and_gold")
            self.done.score_rows += self.gold.take(rows, self._open.rows, note, writer, batch_id)
            failpoint("stream.before_flush")
            self._publisher.flush()
            failpoint("stream.batch_done")
            self.done.batches += 1
        self._journal.write_if_due()

    def _windows(self, changed: "DataFrame", plan: Span, batch_id: int) -> pa.Table:
        """Sums of the windows that the batch changed; after a start, of all that are open."""
        panes = changed.toArrow()
        if self._panes is not None:
            windows = self._panes.update(panes)
        elif not batch_id:
            self._panes = OpenPanes(self._lake.specs.transforms, panes)
            windows = self._panes.windows(EPOCH)
        else:
            before = span(self._checkpoint, batch_id - 1).watermark
            self._panes = self._read_panes(changed.sparkSession, before)
            self._panes.update(panes)
            windows = self._panes.windows(before)
        self._panes.forget(plan.watermark)
        return windows

    def _read_panes(self, spark: "SparkSession", watermark: datetime) -> OpenPanes:
        """Panes of the windows open at ``watermark``, as finished batches have read bronze."""
        spec = self._lake.specs.transforms
        start = first_pane_end(watermark, spec) - timedelta(seconds=spec.pane_seconds)
        version = read_through(self._checkpoint)
        return OpenPanes(spec, bronze_panes(spark, self._lake, start, FAR_FUTURE, version))

    def report(self) -> dict[str, float]:
        """What the commits reported, and the CPU time of the gates."""
        gates = (self.silver.gate, self.gold.scores.gate, self.gold.kpis.gate)
        return {**asdict(self.done), "gate_cpu_seconds": sum(gate.cpu_seconds for gate in gates)}

    def close(self) -> None:
        """Write the books."""
        self._journal.write()
        self.gold.close()

    def _opened(self) -> pa.Table:
        """Windows that are not final, or were made so by a batch that gold may not have seen."""
        where, end = ~pc.field("is_final"), pc.field("window_end")
        interrupted = unfinished(self._checkpoint)
        if interrupted is not None:
            before, reached = interrupted
            where = where | ((end > before) & (end <= reached))
        return self.silver.table.read(where=where)

    def _commit_silver(self, rows: pa.Table, note: Note, writer: str, batch_id: int) -> None:
        before = self.silver.table.progress(writer)
        if before is None or before < batch_id:
            commit = self.silver.merge(rows, note, [Step(writer, before, batch_id)])
            self.done.silver_rows += commit.rows_written

    def _note(self, plan: Span, batch_id: int) -> Note:
        return Note(
            job="stream", spec_version=self._lake.specs.version, batch_id=batch_id,
            source_versions=plan.versions,
        )  # fmt: skip
