"""The books against the Delta logs: every commit in the ledger, every row behind its gate."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from lakehouse.audit.check import Check
from lakehouse.audit.evidence import EXAMPLES, VIEWS, Evidence
from lakehouse.commit import Commit

BRONZE, DEAD = "bronze.traffic_event", "bronze.dead_letter"
GATED = (
    BRONZE, "silver.road_segment", "silver.segment_metric", "gold.congestion_scores",
    "gold.network_kpi",
)  # fmt: skip
BOOKED = (*GATED, DEAD)
MILLISECOND = timedelta(milliseconds=1)
LANDED = {BRONZE: "landed", DEAD: "dead_lettered"}
"""The verdict that an append to the table is."""


@dataclass(frozen=True)
class Books:
    """One table's commits by the Delta log, and what the ledger says of them.

    Attributes:
        table: its name.
        commits: those that the log still holds, by version.
        ledger: rows of ops.ledger, by version.
        repeated: versions that the ledger has more than once.
        forward: rows appended less rows deleted, by rows of the ledger past their retention.
        since: the ledger's rows of commits before that are gone.
        reached: last version that the ledger was brought up to; -1 for none.
    """

    table: str
    commits: Mapping[int, Commit]
    ledger: Mapping[int, dict[str, Any]]
    repeated: tuple[int, ...]
    reached: int
    forward: int
    since: datetime | None

    @property
    def told(self) -> dict[int, dict[str, Any]]:
        """Noted commits of the log as rows of the ledger, as long as that keeps them."""
        return {v: entry(c, c.note) for v, c in self.commits.items() if c.note is not None
                and (self.since is None or c.committed_at >= self.since)}  # fmt: skip

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Every noted commit as a row of the ledger, by version: from the log while it lasts."""
        oldest = min(self.commits, default=0)
        older = {v: row for v, row in self.ledger.items() if v < oldest}
        return [row for _, row in sorted({**older, **self.told}.items())]


def entry(commit: Commit, note: Mapping[str, Any]) -> dict[str, Any]:
    """What the ledger owes for a commit."""
    gate, versions = note.get("gate") or {}, note["source_versions"] or (None, None)
    checked_at = gate.get("checked_at")
    return {
        "table_name": commit.table, "table_version": commit.version,
        "committed_at": commit.committed_at, "rows_written": commit.rows_written,
        "rows_deleted": commit.rows_deleted,
        "source_version_first": versions[0], "source_version_last": versions[1],
        "gate_checked_at": datetime.fromisoformat(checked_at) if checked_at else None,
        "gate_rows": gate.get("rows"), "gate_run_id": gate.get("run_id"),
        **{name: note[name] for name in ("job", "batch_id", "spec_version")},
        **{name: dict(note[name]) for name in ("verdicts", "offsets")},
    }  # fmt: skip


def read_books(evidence: Evidence) -> list[Books]:
    """The books of every table that keeps them."""
    names = [row[0] for row in evidence.rows("DESCRIBE ledger")]
    rows = [dict(zip(names, row, strict=True)) for row in evidence.rows("SELECT * FROM ledger")]
    lake, found = evidence.lake, []
    progress = lake.table("ops.ledger")
    for name in BOOKED:
        own = [row for row in rows if row["table_name"] == name]
        versions = [row["table_version"] for row in own]
        reached = progress.progress(f"ledger/{name}")
        table = lake.table(name)
        table.refresh()
        found.append(Books(
            name, {commit.version: commit for commit in table.commits(after=-1)},
            {row["table_version"]: row for row in own},
            tuple(sorted({v for v in versions if versions.count(v) > 1})),
            -1 if reached is None else reached,
            progress.progress(f"forward/{name}") or 0, progress.expired(),
        ))  # fmt: skip
    return found


def book_checks(evidence: Evidence, books: list[Books]) -> list[Check]:
    """The ledger, the counts it gives, the offsets of its batches, and the gates."""
    return [
        _ledger_check(books),
        *(_count_check(evidence, one) for one in books if one.table in LANDED),
        _verdict_check(books),
        _offsets_check(evidence, books),
        _gate_check(evidence, books),
        _validation_check(evidence),
    ]


def _faults(name: str, total: int, faults: list[str]) -> Check:
    return Check(name, total, total - len(faults), tuple(sorted(faults)[:EXAMPLES]))


def _ledger_check(books: list[Books]) -> Check:
    """Up to where it was brought, the ledger says of each commit what the log says."""
    total, faults = 0, []
    for one in books:
        owed = {v: row for v, row in one.told.items() if v <= one.reached}
        oldest = min(one.commits, default=0)
        total += len(owed)
        wrong = {v for v in owed if v not in one.ledger or _said(one.ledger[v]) != _said(owed[v])}
        wrong |= {v for v in one.ledger if v >= oldest and v not in owed} | set(one.repeated)
        faults += [f"{one.table} version {version}" for version in sorted(wrong)]
    return _faults("commits that the ledger tells as the Delta log does", total, faults)


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: dict(v) if k in ("verdicts", "offsets") else v for k, v in row.items()}


def _count_check(evidence: Evidence, books: Books) -> Check:
    """Rows that commits appended, less those that retention deleted, against rows there are."""
    view = {name: view for view, name in VIEWS.items()}[books.table]
    verdict = LANDED[books.table]
    appended = sum(dict(row["verdicts"]).get(verdict, 0) for row in books.entries)
    deleted = sum(row["rows_deleted"] or 0 for row in books.entries)
    name = f"rows that {books.table}'s commits say are {verdict.replace('_', ' ')}"
    return Check(
        name, books.forward + appended - deleted, evidence.one(f"SELECT count(*) FROM {view}")
    )


def _verdict_check(books: list[Books]) -> Check:
    """A commit's verdicts are what the write reported, not what it was given."""
    entries = [row for one in books for row in one.entries]
    faults = []
    for row in entries:
        verdicts = dict(row["verdicts"])
        own = {"landed", "dead_lettered", "corrected", "resolved"} & set(verdicts)
        if any(verdicts[name] != row["rows_written"] for name in own):
            faults.append(f"{row['table_name']} version {row['table_version']}")
    return _faults("commits whose verdicts are the rows they wrote", len(entries), faults)


def _ranges(books: list[Books]) -> dict[int, list[tuple[int, int]]]:
    """Partition to the offsets of each landed batch, in the order of the commits."""
    ranges: dict[int, list[tuple[int, int]]] = {}
    for row in next(one for one in books if one.table == BRONZE).entries:
        if row["job"] == "land":
            for partition, text in dict(row["offsets"]).items():
                first, _, last = text.partition("-")
                ranges.setdefault(int(partition), []).append((int(first), int(last)))
    return ranges


def _offsets_check(evidence: Evidence, books: list[Books]) -> Check:
    """Batch follows batch: none skips an offset, none takes one again, the last is the newest."""
    newest = dict(evidence.rows('SELECT partition, max("offset") FROM place GROUP BY partition'))
    expired = dict(evidence.rows("SELECT partition, through FROM expired_place"))
    ranges = _ranges(books)
    faults = []
    for partition in sorted({*newest, *ranges}):
        taken = ranges.get(partition, [])
        for (_, last), (first, _) in pairwise(taken):
            if first != last + 1:
                faults.append(f"partition {partition}: offset {first} follows {last}")
        ends = {taken[-1][1] if taken else -1, newest.get(partition, -1)}
        if (len(ends) > 1 or not taken) and max(ends) > expired.get(partition, -1):
            faults.append(f"partition {partition} ends elsewhere than its last batch")
        faults += [f"partition {partition}: {f}-{p}" for f, p in taken if p < f]
    total = sum(len(taken) for taken in ranges.values())
    return _faults("batches whose offsets follow those of the batch before", total, faults)


def _gate_check(evidence: Evidence, books: list[Books]) -> Check:
    """Every commit that wrote rows says when they had passed their gate: before it, all of them.

    A run of Great Expectations that a crash has kept out of ops.validation_result is no fault; one
    that is there must be of this table and good.
    """
    results = {
        run_id: (table, good) for run_id, table, good in
        evidence.rows("SELECT run_id, table_name, is_success FROM validation")
    }  # fmt: skip
    entries = [row for one in books for row in one.entries
               if one.table in GATED and row["rows_written"]]  # fmt: skip
    unnoted = [commit for one in books for commit in one.commits.values()
               if one.table in GATED and commit.note is None and commit.rows_written]  # fmt: skip
    faults = [
        f"{row['table_name']} version {row['table_version']}"
        for row in entries if not _passed(row, results)
    ]  # fmt: skip
    faults += [f"{commit.table} version {commit.version}" for commit in unnoted]
    name = "commits whose rows had passed their gate"
    return _faults(name, len(entries) + len(unnoted), faults)


def _passed(row: Mapping[str, Any], results: Mapping[str, tuple[str, bool]]) -> bool:
    at: datetime | None = row["gate_checked_at"]
    if at is None or row["gate_rows"] != row["rows_written"]:
        return False
    if at >= row["committed_at"] + MILLISECOND:  # the log keeps whole milliseconds
        return False
    return results.get(row["gate_run_id"] or "", (row["table_name"], True)) == (
        row["table_name"], True,
    )  # fmt: skip


def _validation_check(evidence: Evidence) -> Check:
    return evidence.faultless(
        "gate results that stand there once and agree with themselves",
        evidence.one("SELECT count(*) FROM validation"),
        """SELECT run_id FROM validation GROUP BY run_id HAVING count(*) > 1
           UNION ALL SELECT run_id FROM validation
           WHERE is_success != (len(failed_ids) = 0) OR sample_count > row_count""",
    )
