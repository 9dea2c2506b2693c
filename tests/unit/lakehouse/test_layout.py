"""A compaction puts the rows in the order that the table's spec wants."""

from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lakehouse.commit import Note
from lakehouse.tables import Lake, LakeTable
from tests.rows import metric, reading, table

SILVER, BRONZE = "silver.segment_metric", "bronze.traffic_event"
NOTE = Note(job="test", spec_version="v")
COMMITS, SEGMENTS, SIZES, SOURCES = 10, 3, (900, 300), ("simulator", "metr_la")


@pytest.fixture
def compact(lake: Lake) -> LakeTable:
    """Windows of two lengths and sources, mixed, in ten commits; compacted."""
    silver = lake.table(SILVER)
    for number in range(COMMITS):
        rows = [
            metric(f"{source}:{segment:05d}", number * 300, window_seconds=size)
            for segment in range(SEGMENTS) for size in SIZES for source in SOURCES
        ]  # fmt: skip
        silver.append(table(lake, SILVER, rows), NOTE)
    assert silver.compact(NOTE, min_files=COMMITS, target_bytes=2**25) == (COMMITS, 1)
    silver.refresh()
    return silver


def stored(lake_table: LakeTable) -> pq.ParquetFile:
    (path,) = lake_table.files()
    return pq.ParquetFile(Path(path.removeprefix("file://")))


def test_windows_of_one_length_of_a_source_lie_side_by_side(compact: LakeTable) -> None:
    rows = stored(compact).read(columns=["window_seconds", "segment_id"]).to_pylist()
    places = [(row["window_seconds"], row["segment_id"].split(":")[0]) for row in rows]
    assert sum(a != b for a, b in pairwise(places)) == len(SIZES) * len(SOURCES) - 1


def test_no_row_is_lost_changed_or_told_anew(compact: LakeTable) -> None:
    rows = compact.read()
    keys = set(zip(*(rows[name].to_pylist() for name in compact.spec.key), strict=True))
    assert len(keys) == rows.num_rows == COMMITS * SEGMENTS * len(SIZES) * len(SOURCES)
    (newest,) = compact.commits(compact.version - 1)
    assert newest.rows_written == 0


def test_a_file_is_compressed_as_it_was(compact: LakeTable) -> None:
    metadata = stored(compact).metadata
    kinds = {metadata.row_group(0).column(n).compression for n in range(metadata.num_columns)}
    assert kinds == {"SNAPPY"}


def test_a_table_without_an_order_is_only_merged(lake: Lake) -> None:
    bronze = lake.table(BRONZE)
    for number in range(COMMITS):
        bronze.append(table(lake, BRONZE, [reading(COMMITS - number, number)]), NOTE)
    assert bronze.compact(NOTE, min_files=COMMITS, target_bytes=2**25) == (COMMITS, 1)
    bronze.refresh()
    offsets = bronze.read(columns=["offset"])["offset"].to_pylist()
    assert sorted(offsets) == list(range(1, COMMITS + 1))
