"""What was believed before a correction can still be read."""

from typing import Any

import pyarrow as pa
import pytest

from lakehouse.as_of import as_of, query
from lakehouse.commit import Note
from lakehouse.jobs.gated import GatedTable
from lakehouse.jobs.recompute import _correct
from lakehouse.journal import Journal
from lakehouse.sql import select
from lakehouse.tables import Lake
from specs.beliefs import beliefs_of
from tests.rows import after, metric, table

SILVER, HISTORY = "silver.segment_metric", "silver.segment_metric_history"
NOTE = Note(job="test", spec_version="v")


def rows(lake: Lake, *made: dict[str, Any]) -> pa.Table:
    return table(lake, SILVER, list(made))


@pytest.fixture
def corrected(lake: Lake) -> Lake:
    """Two windows of second 1000; at second 2000 the first is corrected, at 3000 again."""
    silver = lake.table(SILVER)
    silver.merge(rows(lake, *(metric("s:a", s, committed_at=after(1000)) for s in (0, 300))), NOTE)
    gated = GatedTable(lake, SILVER, Journal(lake, []))
    for at, count in ((2000, 2), (3000, 3)):
        silver.refresh()
        made = rows(lake, metric("s:a", 0, event_count=count, committed_at=after(at)))
        assert _correct(lake, gated, made, silver.read()) == 1
    return lake


def believed(lake: Lake, second: float) -> dict[float, tuple[int, int]]:
    """Window to count and revision, as of a second."""
    return {
        (row["window_start"] - after(0)).total_seconds(): (row["event_count"], row["revision"])
        for row in as_of(lake, SILVER, after(second)).to_pylist()
    }


def test_each_moment_has_the_rows_that_had_arrived_by_then(corrected: Lake) -> None:
    assert believed(corrected, 999) == {}
    assert believed(corrected, 1000) == {0: (1, 0), 300: (1, 0)}
    assert believed(corrected, 2500) == {0: (2, 1), 300: (1, 0)}
    assert believed(corrected, 3000) == {0: (3, 2), 300: (1, 0)}


def test_a_correction_that_is_repeated_after_a_crash_keeps_history_once(corrected: Lake) -> None:
    silver, history = corrected.table(SILVER), corrected.table(HISTORY)
    silver.refresh()
    replaced = silver.read()  # the crash: history is written, the correction is not
    history.merge(replaced, NOTE)
    gated = GatedTable(corrected, SILVER, Journal(corrected, []))
    made = rows(corrected, metric("s:a", 0, event_count=4, committed_at=after(4000)))
    _correct(corrected, gated, made, replaced)
    assert believed(corrected, 3500) == {0: (3, 2), 300: (1, 0)}
    assert believed(corrected, 4000) == {0: (4, 3), 300: (1, 0)}


def test_a_query_names_tables_without_their_layer(corrected: Lake) -> None:
    sql = "SELECT sum(event_count)::BIGINT AS events FROM segment_metric"
    assert query(corrected, sql).to_pylist() == [{"events": 4}]
    assert query(corrected, sql, after(2500)).to_pylist() == [{"events": 3}]


@pytest.mark.parametrize("second", [999, 1000, 1500, 2000, 2500, 3000, 4000])
def test_the_view_of_beliefs_says_the_same(corrected: Lake, second: float) -> None:
    """Its text is Trino's; DuckDB runs it over the same rows. Trino itself: tests/apps."""
    view = beliefs_of(corrected.specs.tables[SILVER])
    assert view is not None
    specs = corrected.specs
    sql = view.sql(specs.transforms, specs.ml.targets)
    sql = sql.replace(HISTORY, "kept").replace(SILVER, "standing")
    tables = {"kept": corrected.table(HISTORY), "standing": corrected.table(SILVER)}
    for one in tables.values():
        one.refresh()
    at = f"TIMESTAMPTZ '{after(second).isoformat()}'"
    found = select(
        f"SELECT * EXCLUDE (believed_from, believed_until) FROM ({sql})"
        f" WHERE believed_from <= {at} AND (believed_until > {at} OR believed_until IS NULL)"
        " ORDER BY window_start",
        **{name: one.dataset() for name, one in tables.items()},
    )
    wanted = as_of(corrected, SILVER, after(second)).sort_by("window_start")
    assert found.cast(wanted.schema).to_pylist() == wanted.to_pylist()


def test_history_is_readable_as_of_a_moment_too(corrected: Lake) -> None:
    sql = "SELECT count(*) AS rows FROM segment_metric_history"
    assert query(corrected, sql, after(4000)).to_pylist() == [{"rows": 2}]
    assert query(corrected, sql, after(999)).to_pylist() == [{"rows": 0}]
