"""What was believed at a moment: Trino's views give the rows that DuckDB finds."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lakehouse.as_of import as_of
from lakehouse.tables import Lake
from lakehouse.trino.client import Client
from specs.beliefs import beliefs_of
from specs.tables import arrival, history_of

TABLES = ("silver.segment_metric", "gold.congestion_scores")
APART = timedelta(milliseconds=10)
"""Trino tells Delta's microseconds to the millisecond: a moment keeps clear of the arrivals."""


def moments(lake: Lake, name: str) -> list[datetime]:
    """Before anything arrived, between arrivals near corrections, and after everything."""
    spec = lake.specs.tables[name]
    stamp, kept = arrival(spec), history_of(spec)
    assert stamp is not None
    assert kept is not None
    tables = [lake.table(one) for one in (name, kept.table)]
    arrived = sorted({
        moment for table in tables
        for moment in pc.unique(table.read(columns=[stamp])[stamp]).to_pylist()
    })  # fmt: skip
    between = [a + (b - a) / 2 for a, b in pairwise(arrived) if b - a > APART]
    assert between
    some = between[:: max(len(between) // 4, 1)]
    return [arrived[0] - APART, *some, between[-1], arrived[-1] + APART]


def corrected_keys(lake: Lake, name: str) -> set[tuple[Any, ...]]:
    spec = lake.specs.tables[name]
    kept = history_of(spec)
    assert kept is not None
    rows = lake.table(kept.table).read(columns=list(spec.key))
    return set(zip(*(column.to_pylist() for column in rows.columns), strict=True))


def as_trino_says(value: Any) -> Any:
    """Trino rounds microseconds to milliseconds."""
    if isinstance(value, datetime):
        return value.replace(microsecond=0) + timedelta(
            milliseconds=round(value.microsecond, -3) // 1000
        )
    return value


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(map(as_trino_says, row.values())) for row in table.to_pylist()]


@pytest.mark.parametrize("name", TABLES)
def test_trino_and_duckdb_believe_the_same_at_every_moment(
    name: str, client: Client, served: Lake
) -> None:
    spec = served.specs.tables[name]
    view = beliefs_of(spec)
    assert view is not None
    keys = corrected_keys(served, name)
    assert keys or name != "silver.segment_metric", "the demo corrects late readings"
    places = [spec.column_names.index(one) for one in spec.key]
    counts = set()
    for moment in moments(served, name):
        wanted = rows_of(as_of(served, name, moment))
        at = f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S.%f} UTC'"
        known = f"believed_from <= {at} AND (believed_until > {at} OR believed_until IS NULL)"
        ((count,),) = client.rows(f"SELECT count(*) FROM {view.view} WHERE {known}")
        assert count == len(wanted)
        counts.add(count)
        columns = ", ".join(spec.column_names)
        of_key = " AND ".join(f"kept.{one} = {view.view.split('.')[1]}.{one}" for one in spec.key)
        kept = history_of(spec)
        assert kept is not None
        found = client.rows(
            f"SELECT {columns} FROM {view.view} WHERE {known}"
            f" AND EXISTS (SELECT 1 FROM {kept.table} AS kept WHERE {of_key})"
        )
        of_those = [row for row in wanted if tuple(row[place] for place in places) in keys]
        assert sorted(map(repr, map(tuple, found))) == sorted(map(repr, of_those))
    assert len(counts) > 2
