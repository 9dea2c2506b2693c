"""What Spark's checkpoint says of a micro-batch: the bronze versions it reads, its watermark."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lakehouse.tables import Lake

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Span:
    """One micro-batch of the stream.

    Attributes:
        versions: first and last version of bronze.traffic_event in the batch; None where it reads
            none, as when only the watermark moves.
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


def _versions_read(text: str) -> int:
    """Number of bronze versions (from 0) that an offset covers completely."""
    offset = json.loads(text)
    return int(offset["reservoirVersion"]) + (1 if int(offset["index"]) >= 0 else 0)


def _lines(folder: Path, batch_id: int) -> list[str]:
    """Lines after the header: the batch's metadata, then one offset a source."""
    return (folder / "offsets" / str(batch_id)).read_text().splitlines()[1:]


def span(folder: Path, batch_id: int) -> Span:
    """Read the plan of a batch, which Spark writes before it runs the batch.

    An offset with index -1 stands before its version; one that stops inside a version counts that
    version as read, since what is left of it follows in the next batch.
    """
    metadata, offset = _lines(folder, batch_id)[:2]
    end = _versions_read(offset)
    start = _versions_read(_lines(folder, batch_id - 1)[1]) if batch_id else 0
    millis = json.loads(metadata)["batchWatermarkMs"]
    return Span(
        versions=(start, end - 1) if end > start else None,
        watermark=EPOCH + timedelta(milliseconds=millis),
    )


def last_finished(folder: Path) -> int | None:
    """Newest batch that Spark has finished; None where there is none."""
    return max((int(path.name) for path in (folder / "commits").glob("[0-9]*")), default=None)


def read_through(folder: Path) -> int:
    """Last bronze version that a finished batch has read; -1 where none has finished."""
    batch_id = last_finished(folder)
    return -1 if batch_id is None else _versions_read(_lines(folder, batch_id)[1]) - 1


def writer(folder: Path) -> str:
    """Name under which the tables keep the progress of the checkpoint's stream."""
    return "stream/" + str(json.loads((folder / "metadata").read_text())["id"])


def told(lake: Lake, folder: Path) -> Told | None:
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
    return Told(_versions_read(_lines(folder, batch_id)[1]) - 1, span(folder, batch_id).watermark)


def told_through(lake: Lake, folder: Path) -> int:
    """Last bronze version that silver and gold have taken in; -1 before the first batch."""
    reached = told(lake, folder)
    return -1 if reached is None else reached.through


def start_options(table: Path, folder: Path) -> dict[str, str]:
    """How a stream reads the Delta table in ``table`` where the checkpoint says nothing yet.

    Commit after commit, so that event time moves forward. Once the first commits are cleaned up, a
    stream whose checkpoint was lost reads the newest version instead, in the order of event time.
    """
    has_first = (table / "_delta_log" / f"{0:020}.json").exists()
    if has_first or (folder / "metadata").exists():
        return {"startingVersion": "0"}
    return {"withEventTimeOrder": "true"}
