"""What Spark's checkpoint says of a micro-batch: the bronze versions it reads, its watermark."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

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


def _newest(folder: Path) -> int | None:
    return max((int(path.name) for path in folder.glob("[0-9]*")), default=None)


def read_through(folder: Path) -> int:
    """Last bronze version that a finished batch has read; -1 where none has finished."""
    batch_id = _newest(folder / "commits")
    return -1 if batch_id is None else _versions_read(_lines(folder, batch_id)[1]) - 1


def unfinished(folder: Path) -> tuple[datetime, datetime] | None:
    """Watermarks before and of the batch that was planned but has not finished.

    None where there is no such batch, or no watermark before it to close a window by.
    """
    planned, done = _newest(folder / "offsets"), _newest(folder / "commits")
    if planned is None or done is None or planned == done:
        return None
    return span(folder, done).watermark, span(folder, planned).watermark


def query_id(folder: Path) -> str:
    """Identity of the stream that the checkpoint belongs to."""
    return str(json.loads((folder / "metadata").read_text())["id"])


def start_options(table: Path, folder: Path) -> dict[str, str]:
    """How a stream reads the Delta table in ``table`` where the checkpoint says nothing yet.

    Commit after commit, so that event time moves forward. Once the first commits are cleaned up, a
    stream whose checkpoint was lost reads the newest version instead, in the order of event time.
    """
    has_first = (table / "_delta_log" / f"{0:020}.json").exists()
    if has_first or (folder / "metadata").exists():
        return {"startingVersion": "0"}
    return {"withEventTimeOrder": "true"}
