"""What the tables said at an earlier moment, in SQL."""

import re
from datetime import datetime

import duckdb
import pyarrow as pa

from lakehouse.sql import refuse_all_but_a_select, select
from lakehouse.tables import Lake
from specs.errors import SpecError, WrongInput
from specs.tables import TableSpec, arrival, history_of


def as_of_sql(table: TableSpec, moment: datetime, current: str, history: str) -> str:
    """SQL for the rows of ``table`` as they were believed at ``moment``.

    Of each key the row that arrived last by then, whether it still stands or a correction has
    replaced it since. What the stream wrote of a window while it was open is kept only in its last
    form. Runs on DuckDB and on Trino.

    Args:
        table: a table that is corrected, or any that says when a row arrived.
        moment: UTC.
        current: how the query names the table.
        history: how the query names its history.
    """
    columns, keys, stamp = ", ".join(table.column_names), ", ".join(table.key), arrival(table)
    return f"""
        SELECT {columns} FROM (
            SELECT {columns},
                row_number() OVER (PARTITION BY {keys} ORDER BY {stamp} DESC) AS place
            FROM (SELECT {columns} FROM {current} UNION ALL SELECT {columns} FROM {history}) AS kept
            WHERE {stamp} <= TIMESTAMP '{moment.isoformat(sep=" ")}'
        ) AS ranked WHERE place = 1
    """


def as_of(lake: Lake, name: str, moment: datetime) -> pa.Table:
    """Rows of table ``name`` as they were believed at ``moment`` (UTC)."""
    table = lake.table(name)
    table.refresh()
    kept = history_of(table.spec)
    stamp = arrival(table.spec)
    if stamp is None:
        return table.read()
    if kept is None:
        return select(
            f"SELECT * FROM rows WHERE {stamp} <= {_literal(moment)}", rows=table.dataset()
        )
    history = lake.table(kept.table)
    history.refresh()
    query = as_of_sql(table.spec, moment, "current_rows", "history")
    rows = select(query, current_rows=table.dataset(), history=history.dataset())
    return rows.cast(table.schema)


def _literal(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.isoformat(sep=' ')}'"


def query(lake: Lake, sql: str, moment: datetime | None = None) -> pa.Table:
    """Result of DuckDB ``sql`` over the tables it names, without their layer.

    Args:
        lake: the tables.
        sql: one SELECT, such as ``SELECT count(*) FROM segment_metric``.
        moment: the tables as they were believed then (UTC); by default as they are.

    Raises:
        WrongInput: the query is wrong, or is not one SELECT: it would write a file, say, or change
            the engine.
    """
    refuse_all_but_a_select(sql)
    words = set(re.findall(r"\w+", sql))
    tables = {}
    for name in lake.specs.tables:
        bare = name.split(".")[1]
        if bare in words:
            lake.table(name).refresh()
            tables[bare] = (
                lake.table(name).dataset() if moment is None else as_of(lake, name, moment)
            )
    try:
        return select(sql, **tables)
    except (SpecError, duckdb.Error) as error:
        raise WrongInput(f"DuckDB cannot answer: {error.__cause__ or error}") from error
