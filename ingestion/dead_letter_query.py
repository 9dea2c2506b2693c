"""Dead letters by reason, time and source."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakehouse.sql import select
from lakehouse.sql_text import quoted
from lakehouse.tables import Lake

DEAD_LETTER = "bronze.dead_letter"
SOURCE = """coalesce(
    try(json_extract_string(decode(raw_value), '$.source')),
    nullif(split_part(try(decode(raw_key)), ':', 1), '')
)"""
"""What the record says its source is; where it says nothing, the prefix of its key."""


@dataclass(frozen=True)
class DeadLetterFilter:
    """Which dead letters are asked for; None asks for all.

    Attributes:
        reason: id of a rule that failed, or a part of the reason's text.
        source: that the record says it comes from, or that its key begins with.
        since: Kafka's timestamp is this or later (UTC).
        until: Kafka's timestamp is before this (UTC).
        resolved: whether a replay has landed it.
    """

    reason: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    resolved: bool | None = None


def dead_letters(lake: Lake, asked: DeadLetterFilter, limit: int | None = None) -> pa.Table:
    """Rows of bronze.dead_letter with a column ``source``, in the order of their places."""
    table = lake.table(DEAD_LETTER)
    table.refresh()
    wanted = {
        "reason": (asked.reason, "list_contains(rule_ids, $1) OR contains(reason, $1)"),
        "source": (asked.source, "source = $1"),
        "since": (asked.since, "kafka_timestamp >= $1"),
        "until": (asked.until, "kafka_timestamp < $1"),
        "resolved": (asked.resolved, "(resolved_at IS NOT NULL) = $1"),
    }
    chosen = [f"({sql.replace('$1', _literal(value))})" for value, sql in wanted.values()
              if value is not None]  # fmt: skip
    rows = select(
        f"""SELECT * FROM (SELECT *, {SOURCE} AS source FROM dead)
            WHERE {" AND ".join(["true", *chosen])}
            ORDER BY topic, partition, "offset" {f"LIMIT {limit}" if limit is not None else ""}""",
        dead=table.read(),
    )
    return rows.cast(table.schema.append(pa.field("source", pa.string())))


def dead_letter_counts(lake: Lake, asked: DeadLetterFilter) -> dict[str, Any]:
    """How many dead letters there are, whole and by rule, source and state.

    Returns:
        ``records``, ``unresolved``, and ``by_rule`` (a record can fail several) and ``by_source``
        (``-`` where the record does not say), each most first.
    """
    found = dead_letters(lake, asked).select(["rule_ids", "source", "resolved_at"])
    totals: dict[str, Any] = select(
        "SELECT count(*) AS records, count(*) FILTER (resolved_at IS NULL) AS unresolved FROM t",
        t=found,
    ).to_pylist()[0]
    counted = "count(*) AS n FROM ({}) GROUP BY ALL ORDER BY n DESC, name"
    rules = "SELECT unnest(rule_ids) AS name FROM t"
    sources = "SELECT coalesce(source, '-') AS name FROM t"
    return totals | {
        key: {row["name"]: row["n"] for row in select(
            f"SELECT name, {counted.format(query)}", t=found).to_pylist()}
        for key, query in {"by_rule": rules, "by_source": sources}.items()
    }  # fmt: skip


def _literal(value: str | bool | datetime) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, datetime):
        return f"TIMESTAMPTZ '{value.isoformat()}'"
    return quoted(value)
