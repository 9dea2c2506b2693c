"""Gate, then commit: the only way rows of silver and gold reach their table."""

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.commit import Commit, Note, Passed, Step
from lakehouse.failpoints import failpoint
from lakehouse.journal import Journal, now
from lakehouse.publish import Publisher
from lakehouse.tables import Lake
from quality.gate import Gate
from quality.refusal import BatchRefused
from specs.tables import TopicSpec


class GatedTable:
    """One table of silver or gold behind its gate, with the topic that mirrors it, if any."""

    def __init__(
        self, lake: Lake, name: str, journal: Journal, publisher: Publisher | None = None
    ) -> None:
        """Gate table ``name``; with a ``publisher``, refused rows go to its dead-letter topic."""
        specs = lake.specs
        self.table = lake.table(name)
        self.gate = Gate(specs.tables[name], specs.ops.gates, specs.version, time.monotonic)
        self._journal, self._publisher = journal, publisher
        self._news_seconds = specs.ops.limits.news_seconds
        topics = [topic for topic in specs.topics.values() if topic.table == name]
        self._topic: TopicSpec | None = topics[0] if topics and publisher else None

    def merge(
        self, rows: pa.Table, note: Note, steps: Iterable[Step] = (), *, always: bool = False
    ) -> Commit:
        """Validate ``rows`` and commit them; with ``always`` Great Expectations looks at them too.

        Raises:
            GateFailed: nothing was committed; the failing rows are on the dead-letter topic.
            Fenced: another writer has advanced one of ``steps``; nothing was committed.
            Unavailable: the commit kept conflicting.
        """
        gate = self.check(rows, always=always)
        return self.table.merge(rows, replace(note, gate=gate), steps)

    def check(self, rows: pa.Table, *, always: bool = False) -> Passed:
        """Validate ``rows``; raises `GateFailed` as `merge` does."""
        try:
            return passed(self.gate, rows, self._journal, always=always)
        except BatchRefused as refused:
            if self._topic is not None and self._publisher is not None:
                failing = refused.failing_rows.select(rows.schema.names)
                self._publisher.send(self._topic, failing, dead=True)
                self._publisher.flush()
            raise

    def merge_batch(self, rows: pa.Table, note: Note, writer: str, batch_id: int) -> int:
        """`merge` as a batch of ``writer``, unless that was done; returns the rows written."""
        before = self.table.progress(writer)
        if before is not None and before >= batch_id:
            return 0
        step = Step(writer, before, batch_id)
        if not rows.num_rows:  # delta-rs commits no empty MERGE, and the progress counts
            return self.table.append(rows, note, [step]).rows_written
        return self.merge(rows, note, [step]).rows_written

    def publish(self, rows: pa.Table, *, news_only: bool = False) -> None:
        """Queue ``rows`` for the table's topic, if it has one.

        With ``news_only`` windows that a catch-up brings in from long before stay out: they are
        in the table, and a topic carries news.
        """
        if self._topic is None or self._publisher is None or not rows.num_rows:
            return
        if news_only:
            newest = pc.max(rows["window_start"]).as_py()
            oldest = newest - timedelta(seconds=self._news_seconds)
            rows = rows.filter(pc.greater_equal(rows["window_start"], oldest))
        self._publisher.send(self._topic, rows)

    def tell(self, rows: pa.Table) -> None:
        """Have ``rows`` on the table's topic, if it has one.

        Raises:
            Unavailable: Kafka has not taken them.
        """
        self.publish(rows)
        if self._topic is not None and self._publisher is not None:
            self._publisher.flush()


def passed(gate: Gate, rows: pa.Table, journal: Journal, *, always: bool = False) -> Passed:
    """Let ``rows`` through ``gate`` and put its result in the books.

    Raises:
        GateFailed: a row or the batch breaks a rule; the refusal is in the books.
    """
    failpoint("gate.before", gate.table_name)
    metrics, began, cpu_before = journal.metrics, time.perf_counter(), gate.cpu_seconds
    try:
        result = gate.check(rows, always=always)
    except BatchRefused as refused:
        note_refusal(refused, journal)
        raise
    seconds, cpu_seconds = time.perf_counter() - began, gate.cpu_seconds - cpu_before
    metrics.observe("traffic_gate_duration_seconds", seconds, table=gate.table_name)
    metrics.count("traffic_gate_cpu_seconds_total", cpu_seconds, table=gate.table_name)
    at = now()
    if result is not None:
        journal.note(result.row(at))
    failpoint("gate.after", gate.table_name)
    return Passed(at.isoformat(), rows.num_rows, None if result is None else result.run_id)


def note_refusal(refused: BatchRefused, journal: Journal) -> None:
    """Put a refusal in the books at once: whoever raises it ends."""
    journal.note(refused.result.row(now()))
    journal.write()
