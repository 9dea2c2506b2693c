"""ops.ledger: what each commit says of itself, projected from the Delta logs into a table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.commit import Commit, Note, Step
from lakehouse.tables import Lake
from specs.errors import Fenced

APPENDED = ("landed", "dead_lettered")
"""Verdicts that are rows which a commit has appended."""


def _row(commit: Commit, note: Mapping[str, Any]) -> dict[str, Any]:
    first, last = note["source_versions"] or (None, None)
    gate = note.get("gate") or {}
    checked_at = gate.get("checked_at")
    return {
        "table_name": commit.table,
        "table_version": commit.version,
        "job": note["job"],
        "batch_id": note["batch_id"],
        "committed_at": commit.committed_at,
        "rows_written": commit.rows_written,
        "rows_deleted": commit.rows_deleted,
        "verdicts": list(note["verdicts"].items()),
        "offsets": list(note["offsets"].items()),
        "source_version_first": first,
        "source_version_last": last,
        "gate_checked_at": None if checked_at is None else datetime.fromisoformat(checked_at),
        "gate_rows": gate.get("rows"),
        "gate_run_id": gate.get("run_id"),
        "spec_version": note["spec_version"],
    }


def writer(table_name: str) -> str:
    """Who brings the commits of ``table_name`` into ops.ledger."""
    return f"ledger/{table_name}"


def forward(table_name: str) -> str:
    """Where ops.ledger carries what its expired rows of ``table_name`` amount to."""
    return f"forward/{table_name}"


def brought_forward(lake: Lake, before: datetime) -> dict[str, int]:
    """Rows that commits before a moment have appended, less those they deleted, by `forward`.

    Args:
        lake: the tables.
        before: of ops.ledger's rows, those with an older ``committed_at`` (UTC).
    """
    totals: Counter[str] = Counter()
    columns = ["table_name", "verdicts", "rows_deleted"]
    rows = lake.table("ops.ledger").read(columns, where=pc.field("committed_at") < before)
    for row in rows.to_pylist():
        appended = sum(count for verdict, count in row["verdicts"] if verdict in APPENDED)
        totals[forward(row["table_name"])] += appended - (row["rows_deleted"] or 0)
    return dict(totals)


def project(lake: Lake, table_names: Sequence[str]) -> int:
    """Bring ops.ledger up to the newest commits of these tables; returns the rows added.

    The commit is the record and this a view of it, so a crash between the two loses nothing:
    the next call catches up. Two callers do not double a row; the later one is fenced off.
    """
    ledger = lake.table("ops.ledger")
    ledger.refresh()
    rows: list[dict[str, Any]] = []
    steps: list[Step] = []
    for name in table_names:
        table = lake.table(name)
        newest, before = table.refresh(), ledger.progress(writer(name))
        commits = table.commits(after=-1 if before is None else before)
        if commits:
            rows += [_row(commit, commit.note) for commit in commits if commit.note is not None]
            steps.append(Step(writer(name), before, newest))
    if not steps:
        return 0
    try:
        ledger.append(
            pa.Table.from_pylist(rows, schema=ledger.schema),
            Note(job="ledger", spec_version=lake.specs.version),
            steps,
        )
    except Fenced:
        return 0
    return len(rows)
