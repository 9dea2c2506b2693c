"""What the demo shows at its end."""

from collections.abc import Iterator
from datetime import datetime

import pyarrow.compute as pc
from rich.table import Table

from lakehouse.demo import LAST_DAY, Outcome
from lakehouse.freshness import freshness_seconds
from lakehouse.sql import select
from lakehouse.tables import Lake
from ml.outcome import outcomes, quality_of

SHOWN_TABLES = (
    "bronze.traffic_event", "bronze.dead_letter", "silver.segment_metric",
    "gold.congestion_scores", "gold.network_kpi",
)  # fmt: skip


def tables(outcome: Outcome) -> Iterator[Table]:
    """Rows, verdicts, gates, model, freshness, congestion and the balance, each a table."""
    lake = outcome.lake
    yield _rows(lake)
    yield _verdicts(lake, outcome)
    yield _gates(lake)
    yield _model(lake, outcome.model_version)
    yield _freshness(lake, outcome)
    yield _congested(lake)
    yield _balance(outcome)


def _query(lake: Lake, query: str, **names: str) -> list[tuple[object, ...]]:
    snapshots = {}
    for alias, name in names.items():
        lake.table(name).refresh()
        snapshots[alias] = lake.table(name).dataset()
    return [tuple(row.values()) for row in select(query, **snapshots).to_pylist()]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left")
    return table


def _add(table: Table, *values: object) -> None:
    shown = [
        f"{v:,}" if isinstance(v, int) else f"{v:,.3f}" if isinstance(v, float) else str(v)
        for v in values
    ]
    table.add_row(*shown)


def _rows(lake: Lake) -> Table:
    table = _table("Rows", "table", "rows", "Delta version")
    for name in SHOWN_TABLES:
        (count,) = _query(lake, "SELECT count(*) AS n FROM t", t=name)[0]
        _add(table, name, count, lake.table(name).version)
    return table


def _verdicts(lake: Lake, outcome: Outcome) -> Table:
    table = _table("Verdicts", "verdict", "records")
    bronze, dead = "bronze.traffic_event", "bronze.dead_letter"
    _add(table, "landed", *_query(lake, "SELECT count(*) AS n FROM t", t=bronze)[0])
    repeats = "SELECT count(*) - count(DISTINCT event_id) AS n FROM t"
    _add(table, "  of these delivered again", *_query(lake, repeats, t=bronze)[0])
    late = outcome.truth["late"] + outcome.truth["too_late"]
    _add(table, "  of these sent late", late)
    _add(table, "dead letters", *_query(lake, "SELECT count(*) AS n FROM t", t=dead)[0])
    reasons = """
        SELECT '  ' || rule AS rule, count(*) AS n
        FROM (SELECT unnest(rule_ids) AS rule FROM t) GROUP BY ALL ORDER BY n DESC, rule
    """
    for row in _query(lake, reasons, t=dead):
        _add(table, *row)
    return table


def _gates(lake: Lake) -> Table:
    table = _table("Gates: Great Expectations", "table", "runs", "passed", "rows", "looked at")
    query = """
        SELECT table_name, count(*) AS runs, count_if(is_success) AS passed,
            sum(row_count)::BIGINT AS row_total, sum(sample_count)::BIGINT AS sample_total
        FROM t GROUP BY ALL ORDER BY ALL
    """
    for row in _query(lake, query, t="ops.validation_result"):
        _add(table, *row)
    return table


def _model(lake: Lake, version: int) -> Table:
    title = f"Streamed day, model version {version} against persistence"
    table = _table(
        title, "horizon", "scores judged", "congested", "Brier", "persistence", "AUROC",
        "persistence",
    )  # fmt: skip
    silver, scores = lake.table("silver.segment_metric"), lake.table("gold.congestion_scores")
    for one in (silver, scores):
        one.refresh()
    since = (pc.field("window_date") >= LAST_DAY.date()) & (pc.field("window_start") >= LAST_DAY)
    judged = outcomes(scores.read(where=since), silver.read(where=since), lake.specs)
    for horizon, quality in quality_of(judged).items():
        _add(
            table, f"{horizon} min", quality.row_count, quality.congested_ratio, quality.brier,
            quality.brier_persistence, quality.auroc, quality.auroc_persistence,
        )  # fmt: skip
    return table


def _freshness(lake: Lake, outcome: Outcome) -> Table:
    table = _table(
        "Freshness: Kafka timestamp to gold commit", "readings", "p50 s", "p95 s", "p99 s"
    )
    found = freshness_seconds(lake, outcome.live_since)
    _add(table, f"{found.pop('readings'):,}", *found.values())
    return table


def _congested(lake: Lake) -> Table:
    newest = _query(lake, "SELECT max(window_start) AS at FROM s WHERE horizon_minutes = 15",
                    s="gold.congestion_scores")[0][0]  # fmt: skip
    at = newest.strftime("%Y-%m-%d %H:%M UTC") if isinstance(newest, datetime) else "no score"
    table = _table(f"Most congested in 15 minutes, last score of each segment, up to {at}",
                   "segment", "probability", "km/h now", "km/h then")  # fmt: skip
    query = """
        WITH latest AS (
            SELECT * FROM scores WHERE horizon_minutes = 15
            QUALIFY row_number() OVER (PARTITION BY segment_id ORDER BY window_start DESC) = 1
        )
        SELECT left(name, 44) AS name, congestion_probability, speed_kmh_mean, speed_kmh_predicted
        FROM latest JOIN segments USING (segment_id)
            JOIN metrics ON metrics.segment_id = latest.segment_id
                AND metrics.window_start = latest.window_start AND metrics.window_seconds = 300
        ORDER BY congestion_probability DESC, name LIMIT 10
    """
    names = {"scores": "gold.congestion_scores", "segments": "silver.road_segment",
             "metrics": "silver.segment_metric"}  # fmt: skip
    for row in _query(lake, query, **names):
        _add(table, *("-" if value is None else value for value in row))
    return table


def _balance(outcome: Outcome) -> Table:
    table = _table("Balance", "equation", "left", "right", "")
    for check in outcome.checks:
        _add(table, check.name, check.expected, check.found, "ok" if check.is_ok else "OFF")
    return table
