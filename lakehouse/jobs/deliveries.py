"""Tells of each micro-batch which readings count: the first of each event, unless it is late."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.added_files import added_files
from lakehouse.delta_log import oldest_commit
from lakehouse.jobs.batch_note import EPOCH, BatchNote, noted
from lakehouse.jobs.bronze_panes import BRONZE
from lakehouse.jobs.checkpoint import START, Position, position
from lakehouse.jobs.seen_events import SeenEvents
from lakehouse.location import Place, parquet
from lakehouse.tables import Lake
from lakehouse.transforms.reading_panes import EVENT_COLUMNS

IDENTITY = ["event_id", "event_time", "partition", "offset"]
WHOLE = [*EVENT_COLUMNS, "partition", "offset"]


@dataclass(frozen=True)
class Counted:
    """The readings of a batch that count.

    Attributes:
        after: they are younger.
        but: of those the offsets, by partition, that deliver an event again.
        readings: how many they are.
        rows: they themselves, ``EVENT_COLUMNS``, where the batch is small; else None.
        newest: event time in the batch; None where it has no reading.
        note: how event time stands after the batch, and what does not count.
    """

    after: datetime
    but: dict[int, list[int]]
    readings: int
    rows: pa.Table | None
    newest: datetime | None
    note: BatchNote


class Deliveries:
    """Follows the readings of bronze, batch after batch of a checkpoint."""

    def __init__(
        self, lake: Lake, checkpoint: Place, finished: int | None, small_rows: int = 0
    ) -> None:
        """Stand where batch ``finished`` of the checkpoint ended; None before the first.

        A batch of up to ``small_rows`` is small.
        """
        spec = lake.specs.transforms
        self._small_rows = small_rows
        self._lake, self._checkpoint = lake, checkpoint
        self._late = timedelta(seconds=spec.watermark_seconds)
        self._water = EPOCH
        self.seen = SeenEvents(timedelta(seconds=spec.pane_seconds))
        if finished is not None:
            self._water = noted(checkpoint, finished).watermark
            for rows in self._read_before(position(checkpoint, finished)):
                self.seen.first(rows)

    def take(self, batch_id: int) -> Counted:
        """Tell which readings of the next batch count.

        Args:
            batch_id: of a batch that Spark has planned.
        """
        rows, is_small = self._read(batch_id)
        is_late = pc.less_equal(rows["event_time"], _instant(self._water)).to_numpy()
        in_time = rows.filter(pa.array(~is_late))
        is_first = self.seen.first(in_time)
        again = in_time.filter(pa.array(~is_first)).select(["partition", "offset"])
        before, newest = self._water, pc.max(rows["event_time"]).as_py()
        if newest is not None:
            self._water = max(before, newest - self._late)
        self.seen.forget(self._water)  # delivered again, they are late
        return Counted(
            after=before,
            but=_offsets(again),
            readings=int(np.count_nonzero(is_first)),
            rows=in_time.filter(pa.array(is_first)).select(EVENT_COLUMNS) if is_small else None,
            newest=newest,
            note=BatchNote(self._water, duplicate=again.num_rows, late=int(is_late.sum())),
        )

    def _read(self, batch_id: int) -> tuple[pa.Table, bool]:
        """What the batch delivers, in the order of the log; whole rows where it is small."""
        begin = position(self._checkpoint, batch_id - 1) if batch_id else START
        end, bronze = position(self._checkpoint, batch_id), self._lake.table(BRONZE)
        nothing = bronze.schema.empty_table()
        if not batch_id and end.versions_begun and oldest_commit(bronze.folder):
            everything = bronze.at(end.versions_begun - 1)  # the log was cleaned: `read_options`
            return everything.to_table(columns=IDENTITY), False
        files = list(added_files(bronze.folder, begin.version - 1, end.versions_begun - 1))
        of_last = sum(file.version == end.version for file in files)
        stop = len(files) - (of_last - end.files if end.files else 0)
        files = files[begin.files : stop]
        rows = sum(math.inf if file.rows is None else file.rows for file in files)
        is_small = rows <= self._small_rows
        nothing = nothing.select(WHOLE if is_small else IDENTITY)
        parts = (parquet(file.path).to_table(columns=nothing.column_names) for file in files)
        return pa.concat_tables([nothing, *(part.cast(nothing.schema) for part in parts)]), is_small

    def _read_before(self, reached: Position) -> Iterator[pa.Table]:
        """What was delivered before and is younger than the watermark."""
        bronze, young = self._lake.table(BRONZE), pc.field("event_time") > _instant(self._water)
        if reached.version:
            day = pc.field("event_date") >= pa.scalar(self._water.date(), pa.date32())
            whole = bronze.at(reached.version - 1)
            yield whole.to_table(columns=IDENTITY, filter=day & young)
        if reached.files:
            begun = added_files(bronze.folder, reached.version - 1, reached.version)
            for file in list(begun)[: reached.files]:
                yield parquet(file.path).to_table(columns=IDENTITY, filter=young)


def _offsets(rows: pa.Table) -> dict[int, list[int]]:
    grouped = rows.group_by("partition").aggregate([("offset", "list")])
    return dict(
        zip(grouped["partition"].to_pylist(), grouped["offset_list"].to_pylist(), strict=True)
    )


def _instant(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment, pa.timestamp("us", tz="UTC"))
