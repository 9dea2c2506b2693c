"""Which versions of silver and gold belong together: no part of an unfinished batch is shown."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyarrow.dataset import Dataset

from lakehouse.tables import NOTE_KEY

STREAM_JOB = "stream"
FIRST_LOOK = 100


@dataclass(frozen=True)
class Batch:
    """One micro-batch, as its commits name it in every table."""

    batch_id: int
    source_versions: tuple[int, int] | None


@dataclass(frozen=True)
class Mark:
    """One commit: ``batch`` is None where no stream made it."""

    version: int
    committed_at: datetime
    batch: Batch | None


def settled_version(marks: Iterable[Mark], finished: Mark | None) -> int | None:
    """Newest version of a table that holds nothing of an unfinished batch.

    The stream commits a batch to silver, to the scores and last to the KPIs, and begins the next
    one after that. What it committed after ``finished`` is therefore part of a batch under way,
    and hidden with all that stands upon it. Other jobs' commits are shown as they come.

    Args:
        marks: the table's commits, newest first.
        finished: the stream's newest commit to the KPIs; None where there is none.

    Returns:
        The version; None where the table has no commit that may be shown.
    """
    newest: int | None = None
    for mark in marks:
        if newest is None:
            newest = mark.version
        if mark.batch is None:
            continue
        is_later = finished is None or mark.committed_at > finished.committed_at
        if not is_later or (finished is not None and mark.batch == finished.batch):
            break
        newest = mark.version - 1
    return newest if newest is not None and newest >= 0 else None


def _mark(entry: dict[str, Any]) -> Mark:
    note = json.loads(entry[NOTE_KEY]) if NOTE_KEY in entry else {}
    batch = None
    if note.get("job") == STREAM_JOB and note.get("batch_id") is not None:
        versions = note["source_versions"]
        batch = Batch(note["batch_id"], tuple(versions) if versions else None)
    return Mark(
        version=entry["version"],
        committed_at=datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
        batch=batch,
    )


class TableReader:
    """Follows one Delta table without ever writing, not even to create it."""

    def __init__(self, folder: Path) -> None:
        """Read the table in ``folder`` once it is there."""
        self._folder = folder
        self._head: DeltaTable | None = None
        self.marks: list[Mark] = []

    @property
    def version(self) -> int | None:
        """Newest version that `refresh` saw; None where there is no table."""
        return self._head.version() if self._head is not None else None

    def refresh(self) -> None:
        """Look for new commits; `marks` then begin with the newest.

        They reach back to the stream's last commit but one, or to the log's beginning.
        """
        before = self.version
        if self._head is None:
            try:
                self._head = DeltaTable(self._folder)
            except TableNotFoundError:
                return
        else:
            self._head.update_incremental()
        if self.version != before:
            self.marks = self._read_marks(self._head)

    def _read_marks(self, head: DeltaTable) -> list[Mark]:
        limit = FIRST_LOOK
        while True:
            entries = head.history(limit)
            marks = [_mark(entry) for entry in entries if entry["version"] <= head.version()]
            marks.sort(key=lambda mark: -mark.version)
            by_stream = sum(mark.batch is not None for mark in marks)
            if by_stream > 1 or len(entries) < limit:
                return marks
            limit *= 10

    def dataset(self, version: int) -> Dataset:
        """The table at a version, lazily."""
        if self._head is not None and self._head.version() == version:
            return self._head.to_pyarrow_dataset()
        return DeltaTable(self._folder, version=version).to_pyarrow_dataset()
