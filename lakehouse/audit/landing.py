"""Bronze and dead letters against Kafka's own records: places, bytes, columns, resolutions."""

import json
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lakehouse.audit.balance import Offsets
from lakehouse.audit.check import Check
from lakehouse.audit.evidence import SQL_TYPES, Evidence
from lakehouse.audit.retention import COMMITTED_WITHIN, KEPT, TOPIC
from lakehouse.sql_text import digest
from specs.tables import TopicSpec

WHERE = "'partition ' || partition || ' offset ' || \"offset\""
SECOND_OPINIONS = 100_000
"""Rows that SQL's JSON reader faults and Python's may still acquit, at most."""


def place_checks(evidence: Evidence, offsets: Offsets) -> list[Check]:
    """No gap below what Kafka still holds, no offset that it never gave, progress as the rows say.

    Needs the tables ``place`` and ``owed`` of `balance_checks`.
    """
    evidence.keep("edge", _edges(offsets))
    progress = _progress(evidence)
    evidence.take("progress", progress)
    gap = f"""
        SELECT partition, "offset" FROM (
            SELECT partition, unnest(range(lowest, first)) AS "offset" FROM edge JOIN (
                SELECT partition, min("offset") AS lowest FROM place GROUP BY partition
            ) AS reached USING (partition) WHERE lowest < first
        ) {KEPT}
    """
    evidence.keep("before_kafka", gap)
    return [
        evidence.faultless(
            "landed offsets that Kafka has deleted since, without a gap",
            evidence.one("SELECT count(*) FROM before_kafka"),
            f'SELECT {WHERE} FROM before_kafka ANTI JOIN place USING (partition, "offset")',
        ),
        evidence.faultless(
            "rows of bronze and dead letters with an offset that Kafka has given",
            evidence.one("SELECT count(*) FROM place"),
            f"""SELECT {WHERE} FROM place LEFT JOIN edge USING (partition)
                WHERE past IS NULL OR "offset" >= past OR "offset" < 0""",
        ),
        evidence.faultless(
            "partitions whose progress in bronze is their last row or dead letter",
            evidence.one("SELECT count(DISTINCT partition) FROM place"),
            """SELECT 'partition ' || partition || ': rows up to ' || coalesce(last, -1)
                || ', progress ' || coalesce(reached, -1)
            FROM (SELECT partition, max("offset") AS last FROM place GROUP BY partition)
                FULL JOIN progress USING (partition)
                LEFT JOIN expired_place USING (partition)
            WHERE last IS DISTINCT FROM reached
                AND coalesce(reached, last) > coalesce(through, -1)""",
        ),
    ]


def _edges(offsets: Offsets) -> str:
    rows = [
        f"SELECT {partition}::INTEGER AS partition, {first}::BIGINT AS first,"
        f" {past}::BIGINT AS past"
        for partition, (first, past) in offsets.items()
    ]
    nothing = "SELECT 0 AS partition, 0::BIGINT AS first, 0::BIGINT AS past WHERE false"
    return " UNION ALL ".join([nothing, *rows])


def _progress(evidence: Evidence) -> pa.Table:
    bronze = evidence.lake.table("bronze.traffic_event")
    partitions = [int(row[0]) for row in evidence.rows(
        "SELECT partition FROM place UNION SELECT partition FROM edge")]  # fmt: skip
    reached = {p: bronze.progress(f"land/{TOPIC}/{p}") for p in partitions}
    known = {p: last for p, last in reached.items() if last is not None}
    return pa.table({
        "partition": pa.array(list(known), pa.int32()),
        "reached": pa.array(list(known.values()), pa.int64()),
    })  # fmt: skip


def record_checks(evidence: Evidence, offsets: Offsets, records: Iterable[pa.Table]) -> list[Check]:
    """Every record that Kafka holds is in a table byte for byte.

    Args:
        evidence: the tables, with ``owed`` of `balance_checks`.
        offsets: what ``records`` are read from.
        records: batches of ``partition``, ``offset``, ``kafka_timestamp``, ``key`` and ``value``.
    """
    key, value, raw_key, raw_value = (
        f"coalesce({digest(column)}, 0)" for column in ("key", "value", "raw_key", "raw_value")
    )
    evidence.fill(
        "record",
        'partition INTEGER, "offset" BIGINT, stamp TIMESTAMPTZ, key UBIGINT, value UBIGINT',
        f'SELECT partition, "offset", kafka_timestamp, {key}, {value} FROM batch', records,
    )  # fmt: skip
    evidence.keep("held", f"""
        SELECT partition, "offset", kafka_timestamp AS stamp, NULL::UBIGINT AS key,
            {raw_value} AS value FROM bronze
        UNION ALL
        SELECT partition, "offset", kafka_timestamp, {raw_key}, {raw_value} FROM dead
    """)  # fmt: skip
    text = "'partition ' || record.partition || ' offset ' || record.\"offset\""
    return [
        evidence.faultless(
            "offsets of Kafka that a plain read finds a record at",
            evidence.one("SELECT count(*) FROM owed"),
            f"""SELECT {WHERE} FROM owed ANTI JOIN record USING (partition, "offset")
                UNION ALL SELECT {WHERE} FROM record ANTI JOIN owed USING (partition, "offset")""",
        ),
        evidence.faultless(
            "Kafka's records and their rows and dead letters, byte for byte",
            evidence.one("SELECT count(*) FROM record"),
            f"""SELECT DISTINCT {text} FROM record
                JOIN held USING (partition, "offset")
                WHERE record.value != held.value OR record.stamp != held.stamp
                    OR record.key != coalesce(held.key, record.key)""",
        ),
    ]


def content_check(evidence: Evidence, versions: Mapping[int, TopicSpec]) -> Check:
    """Every column of bronze is what its raw value says, read by other JSON readers.

    DuckDB's reader is quick and takes the first of two equal keys, where JSON's usual reading is
    the last; so what it faults, Python's reader decides.
    """
    total = evidence.one("SELECT count(*) FROM bronze")
    columns = {field.column_name for topic in versions.values() for field in topic.fields}
    queries = [_unlike_raw(version, topic, columns) for version, topic in versions.items()]
    known = ", ".join(str(version) for version in versions)
    queries.append(f'SELECT partition, "offset" FROM bronze WHERE schema_version NOT IN ({known})')
    evidence.keep("unlike", " UNION ".join(queries))
    suspects = evidence.rows(
        f'SELECT bronze.* FROM bronze SEMI JOIN unlike USING (partition, "offset")'
        f" LIMIT {SECOND_OPINIONS}"
    ) if evidence.one("SELECT count(*) FROM unlike") else []  # fmt: skip
    names = [row[0] for row in evidence.rows("DESCRIBE bronze")]
    guilty = []
    for row in (dict(zip(names, suspect, strict=True)) for suspect in suspects):
        topic = versions.get(row["schema_version"])
        if topic is None or not _says(row, topic):
            guilty.append(f"partition {row['partition']} offset {row['offset']}")
    return Check("rows of bronze whose columns are what their raw value says", total,
                 total - len(guilty), tuple(sorted(guilty)[:3]))  # fmt: skip


def _unlike_raw(version: int, topic: TopicSpec, event_columns: AbstractSet[str]) -> str:
    paths = ", ".join(f"'$.{field.name}'" for field in topic.fields)
    differ = []
    for place, field in enumerate(topic.fields, start=1):
        text = f"said[{place}]"
        text = f"upper({text})" if field.type == "timestamp" else text
        kind = SQL_TYPES[field.type]
        said = text if kind == "VARCHAR" else f"TRY_CAST({text} AS {kind})"
        differ.append(f"{field.column_name} IS DISTINCT FROM {said}")
    filled = {field.column_name for field in topic.fields}
    differ += [f"{column} IS NOT NULL" for column in sorted(event_columns - filled)]
    return f"""
        SELECT partition, "offset" FROM (
            SELECT *, try(json_extract_string(decode(raw_value), [{paths}])) AS said
            FROM bronze WHERE schema_version = {version}
        ) WHERE said IS NULL OR event_date != event_time::DATE OR {" OR ".join(differ)}
    """


def _says(row: Mapping[str, Any], topic: TopicSpec) -> bool:
    """Python's reading of a row's raw value gives its columns."""
    try:
        said = json.loads(row["raw_value"])
        for field in topic.fields:
            value, stored = said.get(field.name), row[field.column_name]
            if value is not None and field.type == "timestamp":
                value = datetime.fromisoformat(value.upper()).astimezone(UTC)
                stored = stored.astimezone(UTC)
            if value != stored:
                return False
    except (ValueError, AttributeError, TypeError):
        return False
    return bool(row["event_date"] == row["event_time"].astimezone(UTC).date())


def dead_letter_checks(evidence: Evidence) -> list[Check]:
    """Each dead letter says why; a resolved one says how, and stands in bronze byte for byte.

    As long as retention cannot have taken it from there.
    """
    within = f"to_seconds({COMMITTED_WITHIN.total_seconds()})"
    resolved = f"""(SELECT * FROM dead WHERE resolved_at IS NOT NULL AND resolved_at >= coalesce(
        (SELECT before + {within} FROM expired_rows WHERE view = 'bronze'), '-infinity'))"""
    return [
        evidence.faultless(
            "dead letters with a rule, a reason and all or nothing of a resolution",
            evidence.one("SELECT count(*) FROM dead"),
            f"""SELECT {WHERE} FROM dead WHERE len(rule_ids) = 0 OR reason = ''
                OR (resolved_at IS NULL) != (resolution IS NULL)
                OR (resolved_at IS NULL) != (resolved_spec_version IS NULL)
                OR resolved_at < failed_at""",
        ),
        evidence.faultless(
            "resolved dead letters that are in bronze byte for byte",
            evidence.one(f"SELECT count(*) FROM {resolved}"),
            f"""SELECT {WHERE} FROM {resolved}
                ANTI JOIN bronze USING (topic, partition, "offset", raw_value, kafka_timestamp)""",
        ),
    ]
