import pyarrow as pa
import pytest
from pyarrow.dataset import dataset

from lakehouse.commit import Note
from lakehouse.jobs.evaluation import History
from lakehouse.sql import select
from lakehouse.tables import Lake
from specs.stored_text import is_text
from tests.rows import metric, segment, table

SILVER = "silver.segment_metric"
NOTE = Note(job="test", spec_version="v")


@pytest.fixture
def two_cities(lake: Lake) -> Lake:
    """Silver in one file, as MERGE writes it: its texts are views, and a row group has several."""
    rows = [
        metric(f"{source}:{name}", 300 * number, source=source)
        for source in ("s", "t") for name in ("a", "b") for number in range(3)
    ]  # fmt: skip
    lake.table(SILVER).merge(table(lake, SILVER, rows), NOTE)
    roads = [segment("s:a"), segment("t:a", source="t")]
    lake.table("silver.road_segment").merge(table(lake, "silver.road_segment", roads), NOTE)
    lake.table(SILVER).refresh()
    return lake


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("segment_id = 's:b'", 3), ("segment_id IN ('s:b', 't:a')", 6), ("segment_id >= 's:b'", 9),
        ("source = 't' AND window_seconds = 300 AND segment_id LIKE '%b'", 3),
        ("congestion_level = 'free'", 0),
    ],
)  # fmt: skip
def test_a_query_finds_text_in_merged_rows(condition: str, rows: int, two_cities: Lake) -> None:
    query = f"SELECT segment_id, window_start FROM metrics WHERE {condition}"
    assert select(query, metrics=two_cities.table(SILVER).dataset()).num_rows == rows


def test_a_read_finds_text_in_merged_rows(two_cities: Lake) -> None:
    assert two_cities.table(SILVER).read(where=is_text("segment_id", "s:b")).num_rows == 3


def test_the_history_of_one_of_two_cities_is_its_own(two_cities: Lake) -> None:
    history = History.of_lake(two_cities, "t")
    assert set(history.silver["segment_id"].to_pylist()) == {"t:a", "t:b"}
    assert history.segments["segment_id"].to_pylist() == ["t:a"]


def test_an_asof_join_sorts_where_duckdb_would_compare_every_pair() -> None:
    numbers = dataset(pa.table({"at": list(range(1000))}))
    query = "EXPLAIN SELECT count(*) FROM early ASOF JOIN late ON early.at >= late.at"
    (plan,) = select(query, early=numbers, late=numbers)["explain_value"].to_pylist()
    assert "Asof Join" in plan
    assert "Nested Loop" not in plan
