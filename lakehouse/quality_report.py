"""What one day was like: promises, gates, dead letters, detector health; from the tables alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from ingestion.landing import landed_offsets
from lakehouse.audit import balance
from lakehouse.audit.balance import Offsets
from lakehouse.freshness import freshness_seconds, hop_seconds
from lakehouse.sql import select
from lakehouse.tables import Lake
from quality.report_page import Cell, Section, Status

BRONZE, DEAD = "bronze.traffic_event", "bronze.dead_letter"
SILVER, LEDGER, RESULTS = "silver.segment_metric", "ops.ledger", "ops.validation_result"
LAYERS = ["bronze", "silver", "gold", "ops"]
WORST_SEGMENTS = 10


@dataclass(frozen=True)
class Day:
    """One day, UTC, by the clock of the machines: when rows were landed, gated and committed."""

    date: date

    def holds(self, column: str) -> str:
        """SQL that says whether a timestamp column falls on the day."""
        start = datetime.combine(self.date, datetime.min.time(), UTC)
        end = start + timedelta(days=1)
        return (
            f"({column} >= TIMESTAMPTZ '{start.isoformat()}'"
            f" AND {column} < TIMESTAMPTZ '{end.isoformat()}')"
        )


def sections(lake: Lake, day: Day, offsets: Offsets | None) -> Iterator[Section]:
    """The report's tables.

    Args:
        lake: the tables; nothing is written.
        day: which is reported.
        offsets: what Kafka holds of topic traffic_event now; without it neither lag nor balance
            can be measured, and the report says so.
    """
    yield _promises(lake, day, offsets)
    yield _hops(lake, day)
    yield _gates(lake, day)
    yield _commits(lake, day)
    yield from _dead_letters(lake, day)
    yield from _detectors(lake, day)


def _rows(lake: Lake, query: str, **names: str) -> list[tuple[Cell, ...]]:
    return [tuple(row.values()) for row in _select(lake, query, **names).to_pylist()]


def _select(lake: Lake, query: str, **names: str) -> pa.Table:
    snapshots = {}
    for alias, name in names.items():
        lake.table(name).refresh()
        snapshots[alias] = lake.table(name).dataset()
    return select(query, **snapshots)


def _landed_versions(lake: Lake, day: Day) -> tuple[int, int] | None:
    """The version before the day's first commit to bronze, and that of its last."""
    query = f"""SELECT min(table_version) - 1 AS before, max(table_version) AS last FROM t
        WHERE table_name = '{BRONZE}' AND job = 'land' AND {day.holds("committed_at")}"""
    (row,) = _select(lake, query, t=LEDGER).to_pylist()
    return None if row["last"] is None else (row["before"], row["last"])


def _promises(lake: Lake, day: Day, offsets: Offsets | None) -> Section:
    return Section(
        "Promises",
        "The service levels of specs/system.yaml that the tables can tell. Freshness is of the "
        "day's readings; lag and balance are of the moment the report was written.",
        ("Promise", "Goal", "Measured", "Status"),
        [_freshness(lake, day), *_lag(lake, offsets), *_balance(lake, offsets)],
    )


def _freshness(lake: Lake, day: Day) -> tuple[Cell, ...]:
    sla, versions = lake.specs.system.sla("freshness"), _landed_versions(lake, day)
    goal = f"p95 at most {sla.at_most:g} {sla.unit}"
    measured = freshness_seconds(lake, *versions) if versions else {}
    p95 = measured.get(sla.metric)
    if p95 is None:
        return ("freshness", goal, "no reading reached gold", Status("not measured"))
    is_met = sla.at_most is not None and p95 <= sla.at_most
    told = f"{p95:.3f} {sla.unit} over {measured['readings']:,} readings"
    return ("freshness", goal, told, Status("met" if is_met else "missed"))


def _lag(lake: Lake, offsets: Offsets | None) -> Iterator[tuple[Cell, ...]]:
    if offsets is None:
        yield ("lag", "0 records", "Kafka does not answer", Status("not measured"))
    else:
        lake.table(BRONZE).refresh()
        behind = sum(end for _, end in offsets.values()) - landed_offsets(lake, offsets)
        yield (
            "lag of the lander", "0 records", f"{behind:,} records",
            Status("ok" if behind == 0 else "missed"),
        )  # fmt: skip
    query = f"""SELECT max(table_version) FILTER (table_name = '{BRONZE}') AS landed,
        max(source_version_last) FILTER (job = 'stream') AS taken FROM t"""
    (row,) = _select(lake, query, t=LEDGER).to_pylist()
    behind = (row["landed"] or 0) - (row["taken"] or 0)
    told = f"{behind:,} commits of bronze"
    yield ("lag of the stream", "0 commits", told, Status("ok" if behind <= 0 else "missed"))


def _balance(lake: Lake, offsets: Offsets | None) -> Iterator[tuple[Cell, ...]]:
    if offsets is None:
        yield ("balance", "both sides equal", "Kafka does not answer", Status("not measured"))
        return
    for check in balance(lake, offsets):
        told = f"{check.found:,} of {check.expected:,}"
        yield (check.name, "both equal", told, Status("met" if check.is_ok else "missed"))


def _hops(lake: Lake, day: Day) -> Section:
    versions = _landed_versions(lake, day)
    hops = hop_seconds(lake, *versions) if versions else {}
    seconds = [(name, *measured.values()) for name, measured in hops.items()]
    return Section(
        "Freshness hop by hop",
        "Seconds from the Kafka timestamp to the commit in bronze, from there to silver, and "
        "from there to gold.",
        ("To", "p50 s", "p95 s", "p99 s"),
        [row for row in seconds if row[1] is not None],
        empty="No reading of the day reached gold.",
    )


def _gates(lake: Lake, day: Day) -> Section:
    query = f"""
        SELECT split_part(name, '.', 1) AS layer, name, runs, refused, row_total, sample_total,
            array_to_string(list_sort(list_distinct(failed)), ', ') AS failed_ids
        FROM (SELECT table_name AS name, count(*) AS runs,
                  count(*) FILTER (NOT is_success) AS refused, sum(row_count)::BIGINT AS row_total,
                  sum(sample_count)::BIGINT AS sample_total, flatten(list(failed_ids)) AS failed
              FROM t WHERE {day.holds("validated_at")} GROUP BY ALL)
        ORDER BY list_position({LAYERS}, layer), name
    """
    rows = _select(lake, query, t=RESULTS).to_pylist()
    return Section(
        "Gates by layer",
        "Great Expectations' runs before a commit. A refused batch was not committed; its rules "
        "are named.",
        ("Layer", "Table", "Runs", "Refused", "Rows", "Looked at", "Failed rules", "Status"),
        [(*r.values(), Status("failed" if r["refused"] else "passed")) for r in rows],
    )


def _commits(lake: Lake, day: Day) -> Section:
    query = f"""
        SELECT table_name, job, count(*) AS commits, sum(rows_written)::BIGINT AS row_total
        FROM t WHERE {day.holds("committed_at")} GROUP BY ALL ORDER BY ALL
    """
    return Section(
        "Commits", "What the ledger says was written, by table and job.",
        ("Table", "Job", "Commits", "Rows written"), _rows(lake, query, t=LEDGER),
    )  # fmt: skip


def _dead_letters(lake: Lake, day: Day) -> Iterator[Section]:
    query = f"""
        SELECT rule, count(*) AS letters, count(*) FILTER (resolved_at IS NULL) AS unresolved,
            any_value(reason ORDER BY topic, partition, "offset") AS example
        FROM (SELECT *, unnest(rule_ids) AS rule FROM t WHERE {day.holds("failed_at")})
        GROUP BY ALL ORDER BY letters DESC, rule
    """
    yield Section(
        "Dead letters by rule",
        "Records that failed a rule and were kept aside whole. One record can fail several.",
        ("Rule", "Records", "Not resolved yet", "For example"), _rows(lake, query, t=DEAD),
        empty="No record was refused that day.",
    )  # fmt: skip


def _detectors(lake: Lake, day: Day) -> Iterator[Section]:
    primary = lake.specs.transforms.primary.size_seconds
    window = f"window_seconds = {primary} AND {day.holds('committed_at')}"
    described = {rule.id: rule.description for rule in lake.specs.transforms.detector_health}
    query = f"""
        WITH own AS (SELECT source, segment_id, detector_health FROM t WHERE {window}),
            total AS (SELECT source, count(*) AS windows FROM own GROUP BY ALL)
        SELECT rule, source, count(DISTINCT segment_id) AS segments, count(*) AS n,
            count(*) / any_value(windows) AS ratio
        FROM (SELECT *, unnest(detector_health) AS rule FROM own) JOIN total USING (source)
        GROUP BY ALL ORDER BY source, n DESC, rule
    """
    rows = _select(lake, query, t=SILVER).to_pylist()
    yield Section(
        "Detector health by rule",
        "Windows of silver committed that day at which a rule of specs/transforms.yaml fired.",
        ("Rule", "Source", "Segments", "Windows", "Share of windows", "Meaning"),
        [(*row.values(), described.get(str(row["rule"]), "")) for row in rows],
        empty="Every detector was well.",
    )
    worst = f"""
        SELECT segment_id, count(*) FILTER (detector_health != []) AS n, count(*) AS windows,
            n / count(*) AS ratio,
            avg(completeness_ratio) AS completeness
        FROM t WHERE {window} GROUP BY ALL HAVING n > 0
        ORDER BY ratio DESC, n DESC, segment_id LIMIT {WORST_SEGMENTS}
    """
    yield Section(
        "Segments with the least healthy detectors", "Most of their windows fired a rule.",
        ("Segment", "Windows with a fault", "Windows", "Share", "Mean completeness"),
        _rows(lake, worst, t=SILVER), empty="Every detector was well.",
    )  # fmt: skip
