"""What was believed at a moment: Trino's views give the rows that DuckDB finds."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow.compute as pc
import pytest

from lakehouse.as_of import as_of
from lakehouse.sql import select
from lakehouse.tables import Lake
from lakehouse.trino.client import Client
from specs.beliefs import beliefs_of
from specs.tables import HISTORY, arrival, history_of

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
    some = between[:: max(len(between) // 2, 1)]
    return [arrived[0] - APART, *some, between[-1], arrived[-1] + APART]


def alike(row: Sequence[Any]) -> str:
    """The row in words that do not depend on who read it: moments in one zone."""
    return repr([
        value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value for value in row
    ])  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_trino_and_duckdb_believe_the_same_at_every_moment(
    name: str, client: Client, served: Lake
) -> None:
    spec = served.specs.tables[name]
    view = beliefs_of(spec)
    assert view is not None
    keys = served.table(f"{name}{HISTORY}").read(columns=list(spec.key)).num_rows
    assert keys or name != "silver.segment_metric", "the demo corrects late readings"
    counts = set()
    for moment in moments(served, name):
        wanted = as_of(served, name, moment)
        at = f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S.%f} UTC'"
        known = f"believed_from <= {at} AND (believed_until > {at} OR believed_until IS NULL)"
        ((count,),) = client.rows(f"SELECT count(*) FROM {view.view} WHERE {known}")
        assert count == wanted.num_rows
        counts.add(count)
        columns = [one for one in spec.column_names if one != arrival(spec)]
        of_key = " AND ".join(f"kept.{one} = {view.view.split('.')[1]}.{one}" for one in spec.key)
        kept = history_of(spec)
        assert kept is not None
        found = client.rows(
            f"SELECT {', '.join(columns)} FROM {view.view} WHERE {known}"
            f" AND EXISTS (SELECT 1 FROM {kept.table} AS kept WHERE {of_key})"
        )
        of_those = select(
            f"SELECT {', '.join(columns)} FROM wanted SEMI JOIN kept USING ({', '.join(spec.key)})",
            wanted=wanted, kept=served.table(kept.table).dataset(),
        )  # fmt: skip
        assert sorted(map(alike, found)) == sorted(
            alike(list(row.values())) for row in of_those.to_pylist()
        )
    assert len(counts) > 2
