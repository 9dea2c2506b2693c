"""Which versions of silver and gold belong together: no part of an unfinished batch is shown."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from threading import Lock
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyarrow.dataset import Dataset

from lakehouse.commit import NOTE_KEY
from lakehouse.location import Place, asked, delta_table
from lakehouse.table_snapshot import MOVES_PER_SNAPSHOT

STREAM_JOB = "stream"
FIRST_LOOK = 100
"""Commits: read at first, and kept."""

Files = list[tuple[str, str, date | datetime]]
"""Bounds (column, operator, value), all of which a file's rows may meet; others are not opened."""


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


class TableAt:
    """One table at one version, opened when it is first asked; it stays what it is."""

    def __init__(self, folder: Place, version: int) -> None:
        """Open nothing yet."""
        self._folder, self._version = folder, version
        self._table: DeltaTable | None = None
        self._opening = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """What travels to another process is opened there."""
        return TableAt, (self._folder, self._version)

    def dataset(self, files: Files) -> Dataset:
        """Rows of the files that may meet ``files``, lazily, and others beside them."""
        with self._opening:
            if self._table is None:
                self._table = delta_table(self._folder, self._version)
            return self._table.to_pyarrow_dataset(file_pruning_predicate=files or None)


class TableReader:
    """Follows one Delta table without ever writing, not even to create it."""

    def __init__(self, folder: Place) -> None:
        """Read the table in ``folder`` once it is there."""
        self._folder = folder
        self._head: DeltaTable | None = None
        self._moves = 0
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
        try:
            head = self._moved()
        except TableNotFoundError:
            return
        if head.version() != before:
            self.marks = newest_marks(head, self.marks)

    def _moved(self) -> DeltaTable:
        """The table's newest snapshot: moved, or opened anew where it has been moved too often."""
        if self._head is None or self._moves > MOVES_PER_SNAPSHOT:
            self._head, self._moves = delta_table(self._folder), 0
            return self._head
        before = self._head.version()
        asked(self._folder, self._head.update_incremental)
        self._moves += self._head.version() - before
        return self._head

    def dataset(self, version: int, files: Files) -> Dataset:
        """The table at a version: rows of the files that may meet ``files``, and others."""
        if self._head is not None and self._head.version() == version:
            return self._head.to_pyarrow_dataset(file_pruning_predicate=files or None)
        return self.at(version).dataset(files)

    def at(self, version: int) -> TableAt:
        """The table at a version, for later."""
        return TableAt(self._folder, version)


def newest_marks(head: DeltaTable, known: list[Mark]) -> list[Mark]:
    """Commits of ``head``, newest first, back to the stream's last but one at least.

    Args:
        head: the table.
        known: its commits up to an earlier version; only those since then are read.
    """
    if known and head.version() > known[0].version:
        missing = head.version() - known[0].version
        marks, _ = _marks(head, missing)
        if len(marks) == missing:
            return _needed([*marks, *known])
    limit = FIRST_LOOK
    while True:
        marks, is_all = _marks(head, limit)
        if _by_stream(marks) > 1 or is_all:
            return marks
        limit *= 10


def _marks(head: DeltaTable, limit: int) -> tuple[list[Mark], bool]:
    """The newest commits of ``head``, newest first, and whether the log has no more."""
    entries = head.history(limit)  # from the log's end, which may be past this snapshot
    marks = [_mark(entry) for entry in entries if entry["version"] <= head.version()]
    return marks, len(entries) < limit


def _by_stream(marks: Iterable[Mark]) -> int:
    return sum(mark.batch is not None for mark in marks)


def _needed(marks: list[Mark]) -> list[Mark]:
    """The newest of them, as far back as they are looked at."""
    kept = marks[:FIRST_LOOK]
    return kept if _by_stream(kept) > 1 else marks
