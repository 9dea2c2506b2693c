"""Batches of a simulated city in silver and gold without Kafka and Spark: a lake to read from.

Readings are the simulator's; windows, gates, scores and commits are the stream's own code, in its
order. Only the sums over a window are DuckDB's here, not Spark's.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.city import simulated_city
from ingestion.registration import register_segments
from ingestion.simulator import Simulation
from lakehouse.commit import Note, Step
from lakehouse.jobs.gated import GatedTable
from lakehouse.jobs.gold import Gold
from lakehouse.jobs.segments import Segments
from lakehouse.journal import Journal, now
from lakehouse.sql import select
from lakehouse.tables import Lake
from lakehouse.transforms.histogram import BITS, COUNTS_PER_SUM, count_columns
from lakehouse.transforms.segment_metric import segment_metric
from ml.score import LoadedModel
from specs.loader import Specs
from specs.tables import TopicSpec

SOURCE, SILVER = "simulator", "silver.segment_metric"
READINGS_A_WINDOW = 3
WRITER = "stream/city"


class Unpublished:
    """A publisher for a lake without topics."""

    def send(self, topic: TopicSpec, rows: pa.Table, *, dead: bool = False) -> None:
        """Nothing reads it."""

    def flush(self) -> None:
        """Nothing is kept back."""


@dataclass(frozen=True)
class Fixed:
    """A registry whose champion never changes and has no challenger."""

    model: LoadedModel | None
    challenger: LoadedModel | None = None

    def close(self) -> None:
        """Nothing to stop."""


def window_sums(readings: pa.Table, specs: Specs, *, at: datetime) -> pa.Table:
    """What `window_aggregate` gives, of the primary windows of ``readings``.

    Args:
        readings: the simulator's.
        specs: measures and aggregations; DuckDB understands them too.
        at: Kafka's timestamp of all of them.
    """
    spec, histogram = specs.transforms, specs.transforms.histogram
    seconds = spec.primary.size_seconds
    measures = ", ".join(
        f"CASE WHEN {spec.observation} THEN {m.expr} END AS {m.name}" for m in spec.measures
    )
    place = f"least({histogram.measure} // {histogram.bin_width}, {histogram.bins - 1})"
    sums = {a.name: a.expr for a in spec.aggregations} | {
        name: f"coalesce(sum(CASE WHEN {histogram.measure} IS NOT NULL"
        f" AND {place} // {COUNTS_PER_SUM} = {number}"
        f" THEN 1::BIGINT << ({BITS} * ({place} % {COUNTS_PER_SUM}))::INTEGER END), 0)"
        for number, name in enumerate(count_columns(histogram))
    }
    stamps = {"kafka_timestamp_max"}
    summed = ", ".join(
        f"{sql} AS {name}" if name in stamps else f"CAST({sql} AS BIGINT) AS {name}"
        for name, sql in sums.items()
    )
    stamped = readings.append_column(
        "kafka_timestamp", pa.repeat(pa.scalar(at, pa.timestamp("us", "UTC")), readings.num_rows)
    )
    return select(
        f"""
        SELECT segment_id, CAST({seconds} AS INTEGER) AS window_seconds,
            make_timestamptz((epoch_us(event_time) // {seconds * 10**6} + 1) * {seconds * 10**6})
                AS window_end,
            {summed}
        FROM (SELECT *, {measures} FROM readings)
        GROUP BY segment_id, window_end
        """,
        readings=stamped,
    )


@dataclass
class CityBatches:
    """A city that is streamed into a lake, batch by batch.

    Attributes:
        lake: where to.
        segments: of the city.
        start: first window.
        model: scores the windows; None leaves gold to the KPIs.
    """

    lake: Lake
    segments: int
    start: datetime
    model: LoadedModel | None = None
    windows: int = field(default=0, init=False)
    batch_id: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        """Register the city's segments."""
        register_segments(self.lake, SOURCE, count=self.segments)
        source, topic = self.lake.specs.sources[SOURCE], self.lake.specs.topics["traffic_event"]
        rate = self.segments * READINGS_A_WINDOW / self.window.total_seconds()
        city = simulated_city(source, self.segments)
        self._readings = Simulation(source, topic, city, rate, self.start).readings()
        self._journal = Journal(self.lake, [SILVER])
        self._silver = GatedTable(self.lake, SILVER, self._journal)
        self._segments = Segments(self.lake)
        self._gold: Gold | None = None
        self._left = pa.table({})

    def score_with(self, model: LoadedModel) -> None:
        """Have the next batches scored by ``model``."""
        self.model, self._gold = model, None

    @property
    def window(self) -> timedelta:
        """Length of a window."""
        return timedelta(seconds=self.lake.specs.transforms.primary.size_seconds)

    @property
    def end(self) -> datetime:
        """End of the newest window that was taken."""
        return self.start + self.windows * self.window

    def rows(self, windows: int) -> pa.Table:
        """Rows of silver for the next ``windows`` windows; the last of them is still open."""
        self.windows += windows
        batches = [] if not self._left.num_rows else [self._left]
        for batch in self._readings:
            batches.append(pa.Table.from_batches([batch]))
            if pc.max(batch["event_time"]).as_py() >= self.end:
                break
        readings = pa.concat_tables(batches)
        is_past = pc.greater_equal(
            readings["event_time"], pa.scalar(self.end, readings["event_time"].type)
        )
        self._left = readings.filter(is_past)
        sums = window_sums(readings.filter(pc.invert(is_past)), self.lake.specs, at=now())
        return segment_metric(
            sums, self._segments.rows, self.lake.specs, watermark=self.end - self.window, at=now()
        )

    def commit_silver(self, rows: pa.Table) -> Note:
        """Begin a batch: silver, as the stream commits it first; gold is not there yet."""
        self.batch_id += 1
        note = Note(
            job="stream", spec_version=self.lake.specs.version, batch_id=self.batch_id,
            source_versions=(self.batch_id, self.batch_id),
        )  # fmt: skip
        before = self._silver.table.progress(WRITER)
        self._silver.merge(rows, note, [Step(WRITER, before, self.batch_id)])
        return note

    def commit_gold(self, rows: pa.Table, note: Note) -> None:
        """End the batch: scores and KPIs."""
        if self._gold is None:
            models = Fixed(self.model)
            self._gold = Gold(
                self.lake, self._segments, self._journal, Unpublished(), models,  # type: ignore[arg-type]
            )  # fmt: skip
        opened = rows.filter(pc.invert(rows["is_final"]))
        self._gold.score(rows, opened, note, WRITER, self.batch_id)
        self._gold.sum_up(rows, opened, note, WRITER, self.batch_id)

    def advance(self, windows: int) -> None:
        """One whole batch of so many windows."""
        rows = self.rows(windows)
        self.commit_gold(rows, self.commit_silver(rows))
