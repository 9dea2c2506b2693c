"""How long each reading took from Kafka to the gold commit that contains it."""

from lakehouse.sql import select
from lakehouse.tables import Lake

QUANTILES = (0.5, 0.95, 0.99)


def freshness_seconds(lake: Lake, since_version: int = 0) -> dict[str, float | None]:
    """Quantiles over every landed reading: Kafka timestamp to the commit of its gold scores.

    A reading's offset gives the bronze commit it landed in (ops.ledger of the lander), that
    commit the micro-batch that read it, and that batch the time of its commit to
    gold.congestion_scores. Readings without a gold commit yet are left out.

    Args:
        lake: the tables.
        since_version: bronze commits up to this version are left out.

    Returns:
        ``p50_seconds``, ``p95_seconds``, ``p99_seconds`` (None without any reading) and
        ``readings``, how many were measured.
    """
    tables = {}
    for alias, name in {"bronze": "bronze.traffic_event", "ledger": "ops.ledger"}.items():
        table = lake.table(name)
        table.refresh()
        tables[alias] = table.dataset()
    query = f"""
        WITH landing AS (
            SELECT table_version,
                CAST(entry.key AS INTEGER) AS partition,
                CAST(split_part(entry.value, '-', 1) AS BIGINT) AS first_offset
            FROM (
                SELECT table_version, unnest(map_entries(offsets)) AS entry FROM ledger
                WHERE table_name = 'bronze.traffic_event'
            )
        ), scored AS (
            SELECT committed_at, unnest(range(source_version_first, source_version_last + 1))
                AS table_version
            FROM ledger
            WHERE table_name = 'gold.congestion_scores' AND job = 'stream'
                AND source_version_last > {since_version}
        ), reading AS (
            SELECT epoch_us(kafka_timestamp) AS sent, landing.table_version
            FROM bronze ASOF JOIN landing
                ON bronze.partition = landing.partition AND bronze."offset" >= landing.first_offset
        ), hop AS (
            SELECT (min(epoch_us(scored.committed_at)) OVER (PARTITION BY scored.table_version)
                - reading.sent) / 1e6 AS seconds
            FROM reading JOIN scored USING (table_version)
            WHERE reading.table_version > {since_version}
        )
        SELECT quantile_cont(seconds, {list(QUANTILES)}) AS quantiles, count(*) AS readings
        FROM hop
    """
    found = select(query, **tables).to_pylist()[0]
    values = found["quantiles"] or [None] * len(QUANTILES)
    names = [f"p{round(quantile * 100)}_seconds" for quantile in QUANTILES]
    return {**dict(zip(names, values, strict=True)), "readings": found["readings"]}
