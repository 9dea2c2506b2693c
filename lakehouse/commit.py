"""What a Delta commit says of itself: who made it, what it stands for, that it passed its gate."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from deltalake import CommitProperties, Transaction

from lakehouse.delta_log import actions
from lakehouse.location import Place

ROWS_WRITTEN = ("num_added_rows", "num_target_rows_inserted", "num_target_rows_updated")
NOTE_KEY, ID_KEY = "traffic", "traffic_commit"


@dataclass(frozen=True)
class Passed:
    """That a batch has passed its gate.

    Attributes:
        checked_at: when, ISO 8601 in UTC.
        rows: how many.
        run_id: row of ops.validation_result, where Great Expectations took part.
    """

    checked_at: str
    rows: int
    run_id: str | None = None


@dataclass(frozen=True)
class Note:
    """What a commit says of itself in the Delta log; `lakehouse.ledger` makes ops.ledger of it.

    ``sent`` is the first and the last Kafka timestamp of the rows, in milliseconds.
    """

    job: str
    spec_version: str
    batch_id: int | None = None
    verdicts: Mapping[str, int] = field(default_factory=dict)
    offsets: Mapping[str, str] = field(default_factory=dict)
    source_versions: tuple[int, int] | None = None
    gate: Passed | None = None
    sent: tuple[int, int] | None = None


@dataclass(frozen=True)
class Step:
    """Progress of one writer through its input: from ``before`` (None: never) to ``after``."""

    writer: str
    before: int | None
    after: int


@dataclass(frozen=True)
class Commit:
    """What the Delta log says was written."""

    table: str
    version: int
    rows_written: int
    rows_deleted: int
    committed_at: datetime
    note: Mapping[str, Any] | None


def told(table: str, entry: Mapping[str, Any]) -> Commit:
    """What ``entry`` of the history of ``table`` says."""
    metrics = entry.get("operationMetrics") or {}
    return Commit(
        table=table,
        version=entry["version"],
        rows_written=sum(int(metrics.get(name, 0)) for name in ROWS_WRITTEN),
        rows_deleted=int(metrics.get("num_deleted_rows", 0)),
        committed_at=datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
        note=json.loads(entry[NOTE_KEY]) if NOTE_KEY in entry else None,
    )


def commits(table: str, folder: Place, versions: Iterable[int]) -> Iterator[Commit]:
    """Those of the ``versions`` of ``table``, in ``folder``, that the log has kept, in order.

    Read from the log itself: delta-rs' `history` counts down from the snapshot through what is on
    disk by now, so that a commit of another writer in between shifts the numbers.
    """
    for version in versions:
        with suppress(FileNotFoundError):
            for entry in actions(folder, version, "commitInfo"):
                yield told(table, {**entry, "version": version})


def is_logged(folder: Place, commit_id: str, versions: Iterable[int]) -> bool:
    """Whether one of the ``versions`` of the table in ``folder`` is the commit of this id."""
    return any(
        entry.get(ID_KEY) == commit_id
        for version in versions for entry in actions(folder, version, "commitInfo")
    )  # fmt: skip


def properties(note: Note, steps: tuple[Step, ...], commit_id: str) -> CommitProperties:
    """What delta-rs is to write beside the rows."""
    return CommitProperties(
        custom_metadata={NOTE_KEY: json.dumps(asdict(note)), ID_KEY: commit_id},
        app_transactions=[Transaction(step.writer, step.after) for step in steps],
    )
