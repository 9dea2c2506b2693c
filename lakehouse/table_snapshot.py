"""One snapshot of a Delta table, kept and moved forward: its rows, and how far each writer was."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from pyarrow.dataset import Dataset

from lakehouse.commit import Commit, Step, commits
from lakehouse.delta_log import first_needed, is_newest
from lakehouse.location import Place, asked, delta_table
from specs.arrow import arrow_schema
from specs.tables import TableSpec

MOVES_PER_SNAPSHOT = 20
"""With each commit that a snapshot is moved past, the next write takes 0.14 ms more (delta-rs 1.6);
to open the table anew takes 8 ms."""

EXPIRE = "expire"
"""Retention's progress, in seconds since the epoch; that of a day is its own."""


class TableSnapshot:
    """A table as it is at one version, for whoever reads it."""

    def __init__(self, spec: TableSpec, folder: Place, delta: DeltaTable) -> None:
        """Begin with ``delta``, the table of ``spec`` in ``folder``, opened just now."""
        self.spec = spec
        self.folder = folder
        self.schema: pa.Schema = arrow_schema(spec)
        self._delta, self._moves = delta, 0
        self._begins_with = first_needed(folder)
        self._reached: dict[str, int | None] = {}
        self._reached_at = self.version

    @property
    def version(self) -> int:
        """Delta version of the snapshot."""
        return self._delta.version()

    def refresh(self) -> int:
        """Move the snapshot to the newest commit and return its version."""
        if not is_newest(self.folder, self.version, self._begins_with):
            if not self._begins_with.exists():
                self._renew()
            elif not self._is_renewed():
                asked(self.folder, self._delta.update_incremental)
        return self.version

    def _is_renewed(self) -> bool:
        """Count a move of the snapshot; open the table anew where it has been moved too often."""
        self._moves += 1
        if self._moves <= MOVES_PER_SNAPSHOT:
            return False
        self._renew()
        return True

    def _renew(self) -> None:
        self._begins_with = first_needed(self.folder)
        self._delta, self._moves = delta_table(self.folder), 0

    def progress(self, writer: str) -> int | None:
        """How far ``writer`` had come, in the snapshot."""
        if self._reached_at != self.version:
            self._reached, self._reached_at = {}, self.version
        if writer not in self._reached:  # delta-rs reads the log for it: 3 ms, in a bucket 30 GETs
            self._reached[writer] = asked(
                self.folder, lambda: self._delta.transaction_version(writer)
            )
        return self._reached[writer]

    def _took(self, steps: Iterable[Step]) -> None:
        """The snapshot is the commit that took these ``steps``: their progress needs no look."""
        known = self._reached if self._reached_at == self.version - 1 else {}
        self._reached = known | {step.writer: step.after for step in steps}
        self._reached_at = self.version

    def expired(self, day: date | None = None) -> datetime | None:
        """Retention has removed what had arrived by then, in the snapshot; None: nothing yet.

        Args:
            day: of a table with a folder a day; by default any, of which not all has gone.
        """
        seconds = self.progress(EXPIRE if day is None else f"{EXPIRE}/{day}")
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    def read(
        self, columns: list[str] | None = None, where: pc.Expression | None = None
    ) -> pa.Table:
        """Rows of the snapshot, as Arrow."""
        names = columns or self.schema.names
        table = asked(self.folder, lambda: self.dataset().to_table(columns=names, filter=where))
        return table.cast(pa.schema([self.schema.field(name) for name in names]))

    def batches(self, columns: list[str], where: pc.Expression) -> Iterator[pa.RecordBatch]:
        """As `read`, a piece at a time: for more rows than shall be in memory at once.

        An outage in between ends it, where `read` waits: whoever asks begins anew.
        """
        schema = pa.schema([self.schema.field(name) for name in columns])
        found = self.dataset().to_batches(
            columns=columns, filter=where, batch_readahead=1, fragment_readahead=1
        )
        return (batch.cast(schema) for batch in found)

    def dataset(self) -> Dataset:
        """The snapshot as a lazy dataset."""
        return self._delta.to_pyarrow_dataset()

    def files(self) -> list[str]:
        """Paths of the snapshot's data files."""
        return self._delta.file_uris()

    def folders(self) -> list[dict[str, str]]:
        """What the folders of the snapshot's files are named by, each once: column to value."""
        return self._delta.partitions()

    @property
    def partition_by(self) -> list[str]:
        """Columns that the snapshot's files are laid out by."""
        return list(self._delta.metadata().partition_columns)

    def at(self, version: int) -> Dataset:
        """An earlier version as a lazy dataset."""
        return delta_table(self.folder, version).to_pyarrow_dataset()

    def commits(self, after: int) -> list[Commit]:
        """The commits past version ``after`` up to the snapshot that the log has, oldest first."""
        return list(commits(self.spec.table, self.folder, range(after + 1, self.version + 1)))
