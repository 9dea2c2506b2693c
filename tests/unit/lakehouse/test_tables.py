"""Commits carry their rows, their progress and what they say of themselves."""

from pathlib import Path
from threading import Thread, Timer
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from deltalake.exceptions import DeltaError

from lakehouse.commit import Note, Step
from lakehouse.delta_log import LOG
from lakehouse.ledger import project
from lakehouse.location import GAPS
from lakehouse.tables import Lake
from specs.errors import Fenced
from tests.edited_specs import edited_specs
from tests.rows import metric, reading, segment, table

BRONZE, ROAD = "bronze.traffic_event", "silver.road_segment"
SILVER = "silver.segment_metric"
NOTE = Note(job="test", spec_version="v")


def offsets(lake: Lake) -> list[int]:
    bronze = lake.table(BRONZE)
    bronze.refresh()
    return sorted(bronze.read(columns=["offset"])["offset"].to_pylist())


def test_an_append_advances_its_steps_in_the_same_commit(lake: Lake) -> None:
    bronze = lake.table(BRONZE)
    rows = table(lake, BRONZE, [reading(0, 0), reading(1, 60)])
    commit = bronze.append(rows, NOTE, [Step("land/0", None, 1)])
    assert (commit.rows_written, bronze.progress("land/0")) == (2, 1)
    assert bronze.progress("land/1") is None


def test_appended_files_are_small_and_raw_bytes_have_no_dictionary(lake: Lake) -> None:
    bronze = lake.table(BRONZE)
    bronze.append(table(lake, BRONZE, [reading(0, 0)]), NOTE)
    [file] = bronze.files()
    chunks = pq.ParquetFile(file).metadata.row_group(0)
    columns = {c.path_in_schema: c for c in map(chunks.column, range(chunks.num_columns))}
    assert {c.compression for c in columns.values()} == {"ZSTD"}
    assert columns["source"].has_dictionary_page
    assert not columns["raw_value"].has_dictionary_page


def test_a_commit_without_rows_still_advances(lake: Lake) -> None:
    bronze = lake.table(BRONZE)
    assert bronze.append(table(lake, BRONZE, []), NOTE, [Step("land/0", None, 7)]).rows_written == 0
    assert bronze.progress("land/0") == 7


def test_a_writer_that_was_overtaken_is_fenced_and_writes_nothing(
    lake: Lake, tmp_path: Path
) -> None:
    zombie, heir = lake.table(BRONZE), Lake(tmp_path / "lake", lake.specs).table(BRONZE)
    zombie.append(table(lake, BRONZE, [reading(0, 0)]), NOTE, [Step("land/0", None, 0)])
    heir.refresh()
    heir.append(table(lake, BRONZE, [reading(1, 1)]), NOTE, [Step("land/0", 0, 1)])
    late = table(lake, BRONZE, [reading(1, 1), reading(2, 2)])
    with pytest.raises(Fenced):
        zombie.append(late, NOTE, [Step("land/0", 0, 2)])
    zombie.refresh()
    with pytest.raises(Fenced):
        zombie.append(late, NOTE, [Step("land/0", 0, 2)])
    assert offsets(lake) == [0, 1]


def test_two_writers_of_different_partitions_do_not_hinder_each_other(
    lake: Lake, tmp_path: Path
) -> None:
    one, other = lake.table(BRONZE), Lake(tmp_path / "lake", lake.specs).table(BRONZE)
    for number in range(3):
        one.append(table(lake, BRONZE, [reading(2 * number, 0)]), NOTE,
                   [Step("land/0", None if number == 0 else number - 1, number)])  # fmt: skip
        other.append(table(lake, BRONZE, [reading(2 * number + 1, 0)]), NOTE,
                     [Step("land/1", None if number == 0 else number - 1, number)])  # fmt: skip
    assert offsets(lake) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("seconds", [[], [600]])
def test_an_append_outlives_that_rows_are_rewritten_meanwhile(
    seconds: list[int], lake: Lake, tmp_path: Path
) -> None:
    stream, correction = lake.table(SILVER), Lake(tmp_path / "lake", lake.specs).table(SILVER)
    stream.merge(table(lake, SILVER, [metric("s:a", 0)]), NOTE, [Step("stream", None, 1)])
    correction.merge(table(lake, SILVER, [metric("s:a", 0, revision=1)]), NOTE)
    rows = table(lake, SILVER, [metric("s:a", start) for start in seconds])
    stream.append(rows, NOTE, [Step("stream", 1, 2)])
    stream.refresh()
    assert stream.progress("stream") == 2
    assert sorted(stream.read()["revision"].to_pylist()) == [*[0] * len(seconds), 1]


@pytest.mark.parametrize("lacking", [2, 3], ids=["one before the last", "that of a checksum"])
def test_a_listing_that_lacks_a_commit_is_made_again(
    lacking: int, lake: Lake, tmp_path: Path
) -> None:
    one, other = lake.table(BRONZE), Lake(tmp_path / "lake", lake.specs).table(BRONZE)
    for number in range(3):
        one.append(table(lake, BRONZE, [reading(number, 0)]), NOTE)
    commit = one.folder / LOG / f"{lacking:020}.json"
    commit.rename(commit.with_suffix(".hidden"))
    seen = Timer(0.2, lambda: commit.with_suffix(".hidden").rename(commit))
    seen.start()
    assert other.refresh() == 3
    seen.join()
    assert offsets(lake) == [0, 1, 2]


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_commit_that_broke_off_at_a_gap_is_made_once(
    is_taken: bool, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def write(*arguments: Any, **how: Any) -> None:
        attempts.append(len(attempts))
        if is_taken or len(attempts) > 1:
            write_deltalake(*arguments, **how)
        if len(attempts) == 1:
            raise DeltaError(f"Kernel error: {GAPS[0]}, but found gap")

    monkeypatch.setattr("lakehouse.tables.write_deltalake", write)
    commit = lake.table(BRONZE).append(
        table(lake, BRONZE, [reading(0, 0)]), NOTE, [Step("land/0", None, 0)]
    )
    assert commit.version == 1
    assert len(attempts) == (1 if is_taken else 2)
    assert offsets(lake) == [0]


def test_progress_is_what_the_log_says_whoever_committed_last(lake: Lake, tmp_path: Path) -> None:
    one, other = lake.table(BRONZE), Lake(tmp_path / "lake", lake.specs).table(BRONZE)
    none = table(lake, BRONZE, [])
    one.append(none, NOTE, [Step("land/0", None, 0), Step("land/1", None, 5)])
    other.refresh()
    other.append(none, NOTE, [Step("land/1", 5, 6)])
    assert (other.progress("land/0"), other.progress("land/1")) == (0, 6)
    one.append(none, NOTE, [Step("land/0", 0, 1)])  # behind the other's commit, not seen before
    assert (one.progress("land/0"), one.progress("land/1")) == (1, 6)
    assert (one.progress("land/2"), one.version) == (None, 3)


def test_each_of_two_writers_at_once_is_told_of_its_own_commits(lake: Lake) -> None:
    told: dict[int, list[int]] = {1: [], 2: []}

    def write(size: int) -> None:
        bronze = Lake(lake.root, lake.specs).table(BRONZE)
        rows = table(lake, BRONZE, [reading(number, 0) for number in range(size)])
        told[size] += [bronze.append(rows, NOTE).rows_written for _ in range(25)]

    lake.table(BRONZE)
    threads = [Thread(target=write, args=(size,)) for size in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == {1: [1] * 25, 2: [2] * 25}


def test_a_merge_updates_by_key_and_inserts_the_rest(lake: Lake) -> None:
    roads = lake.table(ROAD)
    roads.merge(table(lake, ROAD, [segment("s:a"), segment("s:b")]), NOTE)
    commit = roads.merge(table(lake, ROAD, [segment("s:b", length_m=5.0), segment("s:c")]), NOTE)
    lengths = roads.read(columns=["segment_id", "length_m"]).sort_by("segment_id")
    assert commit.rows_written == 2
    assert lengths["segment_id"].to_pylist() == ["s:a", "s:b", "s:c"]
    assert lengths["length_m"].to_pylist() == [1000.0, 5.0, 1000.0]


def test_a_merge_survives_another_writers_merge(lake: Lake, tmp_path: Path) -> None:
    one, other = lake.table(ROAD), Lake(tmp_path / "lake", lake.specs).table(ROAD)
    one.merge(table(lake, ROAD, [segment("s:a")]), NOTE)
    other.merge(table(lake, ROAD, [segment("s:a", length_m=2.0)]), NOTE)
    one.merge(table(lake, ROAD, [segment("s:a", length_m=3.0)]), NOTE)
    assert one.read(columns=["length_m"])["length_m"].to_pylist() == [3.0]


def test_an_empty_table_reads_with_the_schema_of_its_spec(lake: Lake) -> None:
    for name in lake.specs.tables:
        rows = lake.table(name).read()
        assert rows.num_rows == 0
        assert rows.schema.names == lake.table(name).schema.names


def test_the_ledger_holds_one_row_a_commit_however_often_it_is_projected(lake: Lake) -> None:
    bronze = lake.table(BRONZE)
    note = Note(job="land", spec_version="v", verdicts={"landed": 1}, offsets={"0": "0-0"})
    bronze.append(table(lake, BRONZE, [reading(0, 0)]), note, [Step("land/0", None, 0)])
    assert [project(lake, [BRONZE]), project(lake, [BRONZE])] == [1, 0]
    bronze.append(table(lake, BRONZE, [reading(1, 0)]), note, [Step("land/0", 0, 1)])
    assert project(Lake(lake.root, lake.specs), [BRONZE]) == 1
    ledger = lake.table("ops.ledger")
    ledger.refresh()
    rows = ledger.read().to_pylist()
    assert [row["rows_written"] for row in rows] == [1, 1]
    assert sorted(row["table_version"] for row in rows) == [1, 2]
    assert rows[0]["verdicts"] == [("landed", 1)]
    assert rows[0]["offsets"] == [("0", "0-0")]


def test_a_spec_that_is_taken_back_writes_null_in_the_column_that_it_lacks(
    lake: Lake, tmp_path: Path
) -> None:
    old = lake.table(ROAD)
    old.append(table(lake, ROAD, [segment("s:a")]), NOTE)
    edit = ("schemas/tables/silver.road_segment.yaml", "rules:\n",
            "  - {name: lanes, type: integer, description: x}\nrules:\n")  # fmt: skip
    newer = Lake(lake.root, edited_specs(tmp_path, edit)).table(ROAD)
    rows = pa.Table.from_pylist([segment("s:b", lanes=2)], newer.schema)
    newer.append(rows, NOTE)
    for name, table_of_before in (("d", old), ("e", Lake(lake.root, lake.specs).table(ROAD))):
        table_of_before.refresh()
        table_of_before.append(table(lake, ROAD, []), NOTE)
        table_of_before.append(table(lake, ROAD, [segment(f"s:{name}")]), NOTE)
        table_of_before.merge(table(lake, ROAD, [segment("s:a"), segment("s:c")]), NOTE)
    newer.refresh()
    found = {row["segment_id"]: row["lanes"] for row in newer.read().to_pylist()}
    assert found == {"s:a": None, "s:b": 2, "s:c": None, "s:d": None, "s:e": None}


def test_a_row_that_lacks_a_column_is_refused(lake: Lake) -> None:
    with pytest.raises(KeyError):
        lake.table(BRONZE).append(pa.table({"event_id": ["e"]}), NOTE)
