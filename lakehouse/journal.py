"""The books of a job: gate results and ledger, written beside the data and off its hot path."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lakehouse.commit import Note
from lakehouse.ledger import project
from lakehouse.tables import Lake

MIN_SECONDS_BETWEEN_WRITES = 1.0


class Journal:
    """Writes ops.validation_result and ops.ledger at most once a second."""

    def __init__(
        self, lake: Lake, tables: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep the books of ``tables``."""
        self._lake = lake
        self.metrics = lake.metrics
        self._tables = tables
        self._clock = clock
        self._written_at = clock()
        self._results: list[dict[str, Any]] = []

    def note(self, result: dict[str, Any]) -> None:
        """Keep a row for ops.validation_result."""
        self._results.append(result)

    def write_if_due(self) -> None:
        """Write what has gathered, unless that was done within the last second."""
        if self._clock() - self._written_at >= MIN_SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Write what has gathered."""
        self._written_at = self._clock()
        if self._results:
            table = self._lake.table("ops.validation_result")
            rows = pa.Table.from_pylist(self._results, schema=table.schema)
            table.append(rows, Note(job="journal", spec_version=self._lake.specs.version))
            self._results = []
        project(self._lake, self._tables)


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)
