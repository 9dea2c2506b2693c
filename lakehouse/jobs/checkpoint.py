"""What the checkpoint says of a micro-batch: the bronze versions it reads, its watermark."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lakehouse.delta_log import LOG, is_whole, oldest_commit
from lakehouse.jobs.batch_note import noted
from lakehouse.location import Place
from lakehouse.tables import Lake

ALL_FILES = 2**31 - 1

NAMES_FIRST = {
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}
"""How a log on a disk is listed: first all names, in milliseconds, then their files one by one.
The session's own file system, see `lakehouse.spark`, does both at once, in a tenth of a second:
commits that were made meanwhile showed in part, and each time the query had to begin again."""


@dataclass(frozen=True)
class Span:
    """One micro-batch of the stream.

    Attributes:
        versions: first and last version of bronze.traffic_event in the batch; None where it reads
            none.
        watermark: windows that end at or before it will not change any more.
    """

    versions: tuple[int, int] | None
    watermark: datetime


@dataclass(frozen=True)
class Told:
    """How far silver and gold have come with bronze.

    Attributes:
        through: last version of bronze.traffic_event that they have taken in.
        watermark: of their newest batch.
    """

    through: int
    watermark: datetime


@dataclass(frozen=True)
class Position:
    """How far bronze.traffic_event is read.

    Attributes:
        version: those before it are read completely.
        files: so many of the data files that it added are read, too.
    """

    version: int
    files: int

    @property
    def versions_begun(self) -> int:
        """Number of versions of which something is read."""
        return self.version + (1 if self.files else 0)


START = Position(0, 0)


def position(folder: Place, batch_id: int) -> Position:
    """Where a batch ends: an offset with index -1 stands before its version."""
    plan = (folder / "offsets" / str(batch_id)).read_text().splitlines()
    offset = json.loads(plan[2])  # after the header and the batch's metadata
    return Position(int(offset["reservoirVersion"]), max(0, int(offset["index"]) + 1))


def span(folder: Place, batch_id: int) -> Span:
    """Read the plan of a batch, which Spark writes before it runs it, and what the driver noted.

    One that stops inside a version counts that version as read, since what is left of it follows in
    the next batch.
    """
    end = position(folder, batch_id).versions_begun
    start = position(folder, batch_id - 1).versions_begun if batch_id else 0
    versions = (start, end - 1) if end > start else None
    return Span(versions, noted(folder, batch_id).watermark)


def _numbers(folder: Place) -> Iterator[int]:
    """Batches that have a file in this folder of a checkpoint, which may not be there yet."""
    with suppress(FileNotFoundError):
        yield from (int(path.name) for path in folder.iterdir() if path.name.isdigit())


def last_finished(folder: Place) -> int | None:
    """Newest batch that Spark has finished; None where there is none."""
    return max(_numbers(folder / "commits"), default=None)


def read_through(folder: Place) -> int:
    """Last bronze version that a finished batch has read; -1 where none has finished."""
    batch_id = last_finished(folder)
    return -1 if batch_id is None else position(folder, batch_id).versions_begun - 1


def has_all_to_read(lake: Lake, folder: Place) -> bool:
    """Whether the log has every commit of bronze that the stream has still to read.

    One that has finished no batch reads what is older than the log all the same, see
    `read_options`.
    """
    bronze, batch_id = lake.table("bronze.traffic_event"), last_finished(folder)
    oldest = oldest_commit(bronze.folder)
    begin = oldest if batch_id is None else position(folder, batch_id).version
    return is_whole(bronze.folder, begin, bronze.refresh())


def writer(folder: Place) -> str:
    """Name under which the tables keep the progress of the checkpoint's stream."""
    return "stream/" + str(json.loads((folder / "metadata").read_text())["id"])


def reconciler(folder: Place) -> str:
    """Name under which silver keeps how far late readings of that stream were looked for."""
    return f"reconcile/{writer(folder)}"


def scorer(folder: Place) -> str:
    """Name under which silver keeps up to when, in seconds since the epoch, gold is complete."""
    return f"scored/{writer(folder)}"


def told(lake: Lake, folder: Place) -> Told | None:
    """How far silver and gold are; None before the first batch.

    The KPIs' commit is a batch's last. Spark itself may be a batch ahead, see `read_through`.
    """
    if not (folder / "metadata").exists():
        return None
    kpis = lake.table("gold.network_kpi")
    kpis.refresh()
    batch_id = kpis.progress(writer(folder))
    if batch_id is None:
        return None
    through = position(folder, batch_id).versions_begun - 1
    return Told(through, span(folder, batch_id).watermark)


def told_through(lake: Lake, folder: Place) -> int:
    """Last bronze version that silver and gold have taken in; -1 before the first batch."""
    reached = told(lake, folder)
    return -1 if reached is None else reached.through


def read_options(table: Place, folder: Place, max_bytes: int) -> dict[str, str]:
    """How a stream reads the Delta table in ``table``.

    Commit after commit, about ``max_bytes`` a batch, so that event time moves forward. Once the
    first commits are cleaned up, a stream whose checkpoint was lost has to begin with all that the
    table holds. Its files are in no order of event time, so they are one batch: nothing in it is
    late, and no restart stands in the middle of them.
    """
    listed = NAMES_FIRST if isinstance(table, Path) else {}
    has_first = (table / LOG / f"{0:020}.json").exists()
    if has_first or last_finished(folder) is not None:
        return {"startingVersion": "0", "maxBytesPerTrigger": str(max_bytes), **listed}
    return {"maxFilesPerTrigger": str(ALL_FILES), **listed}
