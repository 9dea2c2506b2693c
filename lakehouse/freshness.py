"""How long each reading took from Kafka to the gold commit that contains it."""

from datetime import datetime

import pyarrow as pa

from lakehouse.sql import select
from lakehouse.tables import Lake

QUANTILES = (0.5, 0.95, 0.99)
NAMES = tuple(f"p{round(quantile * 100)}_seconds" for quantile in QUANTILES)
HOPS = ("bronze", "silver", "gold")

Quantiles = dict[str, float | None]


def freshness_seconds(
    lake: Lake, since_version: int = 0, until_version: int | None = None
) -> Quantiles:
    """Quantiles over every landed reading: Kafka timestamp to the commit of its gold scores.

    A reading's offset gives the bronze commit it landed in (ops.ledger of the lander), that
    commit the micro-batch that read it, and that batch the time of its commit to
    gold.congestion_scores. Readings without a gold commit yet are left out.

    Args:
        lake: the tables.
        since_version: bronze commits up to this version are left out ...
        until_version: ... and so are those after this one.

    Returns:
        ``p50_seconds``, ``p95_seconds``, ``p99_seconds`` (None without any reading) and
        ``readings``, how many were measured.
    """
    total = f"{quantiles_of('gold_at - sent')} AS total, count(*) AS readings"
    found = _over_readings(lake, since_version, total, until_version=until_version)
    readings: int = found["readings"][0].as_py()
    return {**named(found["total"][0]), "readings": readings}


def hop_seconds(
    lake: Lake, since_version: int = 0, until_version: int | None = None
) -> dict[str, Quantiles]:
    """The same readings, hop by hop: Kafka timestamp to bronze commit, to silver, to gold.

    Args:
        lake: the tables.
        since_version: bronze commits up to this version are left out ...
        until_version: ... and so are those after this one.

    Returns:
        Quantiles by `HOPS`; those of one hop do not add up with those of the next.
    """
    stamps = ("sent", "bronze_at", "silver_at", "gold_at")
    hops = ", ".join(
        f"{quantiles_of(f'{end} - {begin}')} AS {hop}"
        for hop, begin, end in zip(HOPS, stamps[:-1], stamps[1:], strict=True)
    )
    found = _over_readings(lake, since_version, hops, until_version=until_version)
    return {hop: named(found[hop][0]) for hop in HOPS}


def p95_by_second(lake: Lake, since_version: int = 0) -> list[tuple[datetime, float]]:
    """The second in which readings were sent to Kafka, and their p95 in seconds, in order."""
    found = _over_readings(
        lake, since_version,
        "make_timestamptz(sent // 1000000 * 1000000) AS second,"
        " quantile_cont((gold_at - sent) / 1e6, 0.95) AS p95",
        "GROUP BY second ORDER BY second",
    )  # fmt: skip
    return [(row["second"], row["p95"]) for row in found.to_pylist()]


def quantiles_of(microseconds: str) -> str:
    """SQL of the `QUANTILES`, in seconds, of an SQL expression in microseconds."""
    return f"quantile_cont(({microseconds}) / 1e6, {list(QUANTILES)})"


def named(quantiles: pa.Scalar) -> Quantiles:
    """What that SQL found, by `NAMES`; None where there was no row."""
    values = quantiles.as_py() or [None] * len(NAMES)
    return dict(zip(NAMES, values, strict=True))


def _over_readings(
    lake: Lake,
    since_version: int,
    aggregations: str,
    grouping: str = "",
    until_version: int | None = None,
) -> pa.Table:
    """``aggregations`` over ``sent``, ``bronze_at``, ``silver_at`` and ``gold_at``, in us."""
    until = "" if until_version is None else f"AND table_version <= {until_version}"
    tables = {}
    for alias, name in {"bronze": "bronze.traffic_event", "ledger": "ops.ledger"}.items():
        table = lake.table(name)
        table.refresh()
        tables[alias] = table.dataset()
    query = f"""
        WITH landing AS (
            SELECT table_version, bronze_at,
                CAST(entry.key AS INTEGER) AS partition,
                CAST(split_part(entry.value, '-', 1) AS BIGINT) AS first_offset
            FROM (
                SELECT table_version, epoch_us(committed_at) AS bronze_at,
                    unnest(map_entries(offsets)) AS entry
                FROM ledger WHERE table_name = 'bronze.traffic_event'
            )
        ), taken AS (
            SELECT table_name, epoch_us(committed_at) AS moment,
                unnest(range(source_version_first, source_version_last + 1)) AS table_version
            FROM ledger WHERE job = 'stream' AND source_version_last > {since_version}
        ), done AS (
            SELECT table_version,
                min(moment) FILTER (table_name = 'silver.segment_metric') AS silver_at,
                min(moment) FILTER (table_name = 'gold.congestion_scores') AS gold_at
            FROM taken GROUP BY table_version
        ), reading AS (
            SELECT epoch_us(kafka_timestamp) AS sent, landing.table_version, bronze_at
            FROM bronze ASOF JOIN landing
                ON bronze.partition = landing.partition AND bronze."offset" >= landing.first_offset
        )
        SELECT {aggregations} FROM reading JOIN done USING (table_version)
        WHERE table_version > {since_version} {until} AND gold_at IS NOT NULL {grouping}
    """
    return select(query, **tables)
