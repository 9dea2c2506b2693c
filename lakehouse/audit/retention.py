"""What retention has removed: days and rows that no check may ask for any more.

The commits that removed them say so themselves. Whether they removed more than they say is what
counting shows: rows appended less rows deleted are the rows there are (`books`).
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

import pyarrow as pa

from lakehouse.audit.books import BRONZE, Books
from lakehouse.audit.check import Check
from lakehouse.audit.evidence import EXPIRED, VIEWS, Evidence
from specs.tables import TableSpec, arrival

TOPIC = "traffic_event"
COMMITTED_WITHIN = timedelta(hours=1)
"""Of a batch's arrival; only which offsets may be gone hangs on it, not how many."""

KEPT = """LEFT JOIN expired_place USING (partition) WHERE "offset" > coalesce(through, -1)"""
"""Ends a query of offsets with those that retention cannot have taken."""

MOMENT = pa.timestamp("us", tz="UTC")


def without_days(column: str, *views: str) -> str:
    """Condition that ``column`` is none of the days that retention has removed of ``views``."""
    names = ", ".join(f"'{view}'" for view in views)
    return f"{column} NOT IN (SELECT day FROM expired_day WHERE view IN ({names}))"


def keep_expired(evidence: Evidence, books: Iterable[Books], partitions: Iterable[int]) -> None:
    """Fill ``expired_day``, ``expired_rows`` and ``expired_place``, which are empty until then.

    Args:
        evidence: the tables.
        books: of every table that keeps them.
        partitions: of topic traffic_event.
    """
    days: list[tuple[str, date, datetime]] = []
    rows: list[tuple[str, datetime]] = []
    for view in evidence.files:
        table = evidence.lake.table(VIEWS[view])
        before = table.expired()
        if before is not None:
            rows.append((view, before))
        for day in _days(evidence, table.spec):
            gone = table.expired(day)
            if gone is not None:
                days.append((view, day, gone))
    through = _through(evidence, next(one for one in books if one.table == BRONZE), partitions)
    found = {
        "expired_day": pa.table({
            "view": pa.array([view for view, _, _ in days], pa.string()),
            "day": pa.array([day for _, day, _ in days], pa.date32()),
            "before": pa.array([before for _, _, before in days], MOMENT),
        }),
        "expired_rows": pa.table({
            "view": pa.array([view for view, _ in rows], pa.string()),
            "before": pa.array([before for _, before in rows], MOMENT),
        }),
        "expired_place": pa.table({
            "partition": pa.array(list(through), pa.int32()),
            "through": pa.array(list(through.values()), pa.int64()),
        }),
    }  # fmt: skip
    for name, columns in EXPIRED.items():
        evidence.fill(name, columns, "SELECT * FROM batch", [found[name]])


def _days(evidence: Evidence, spec: TableSpec) -> list[date]:
    """Every day that some check may ask for, if ``spec`` has a folder a day."""
    if not spec.partition_by:
        return []
    found = evidence.rows("""
        SELECT event_date FROM bronze UNION SELECT (event_date - 1)::DATE FROM bronze
        UNION SELECT window_date FROM silver
        UNION SELECT window_date FROM scores UNION SELECT window_start::DATE FROM kpi
    """)
    return [day for (day,) in found]


def _through(evidence: Evidence, books: Books, partitions: Iterable[int]) -> Mapping[int, int]:
    """Partition to the last offset that retention may have taken from bronze or dead letters."""
    moments = [evidence.lake.table(VIEWS[view]).expired() for view in ("bronze", "dead")]
    known = [moment for moment in moments if moment is not None]
    if not known:
        return {}
    until = max(known) + COMMITTED_WITHIN
    landed = [row for row in books.entries if row["job"] == "land"]
    through: dict[int, int] = {}
    for row in landed:
        for partition, text in dict(row["offsets"]).items():
            last = int(text.partition("-")[2]) if row["committed_at"] < until else -1
            through[int(partition)] = max(last, through.get(int(partition), -1))
    if books.since is not None:  # the ledger itself has forgotten the batches of a silent partition
        for partition in set(partitions) - set(through):
            reached = evidence.lake.table(BRONZE).progress(f"land/{TOPIC}/{partition}")
            through[partition] = -1 if reached is None else reached
    return through


def retention_check(evidence: Evidence) -> Check:
    """Where a commit says that rows were past their retention, none of them is there."""
    faults = []
    for view in evidence.files:
        spec = evidence.lake.table(VIEWS[view]).spec
        stamp = arrival(spec)
        if stamp is None:
            continue
        if spec.partition_by:
            (day,) = spec.partition_by
            faults.append(
                f"SELECT DISTINCT view || ' ' || day FROM {view} JOIN expired_day"
                f" ON view = '{view}' AND day = {day} WHERE {stamp} < before"
            )
        else:
            faults.append(
                f"SELECT DISTINCT view FROM {view} JOIN expired_rows"
                f" ON view = '{view}' AND {stamp} < before"
            )
    total = "(SELECT count(*) FROM expired_rows) + (SELECT count(*) FROM expired_day)"
    return evidence.faultless(
        "days and tables that retention has cut, without a row that was due",
        evidence.one(f"SELECT {total}"), " UNION ALL ".join(faults),
    )  # fmt: skip
