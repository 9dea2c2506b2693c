from typing import Any

import pytest

from lakehouse.commit import Note
from lakehouse.freshness import freshness_seconds, hop_seconds
from lakehouse.ledger import project
from lakehouse.tables import Lake
from tests.rows import after, reading, table

BRONZE, SILVER, GOLD = "bronze.traffic_event", "silver.segment_metric", "gold.congestion_scores"


def land(lake: Lake, *places: tuple[int, int, float]) -> None:
    """One bronze commit with a reading at each partition and offset, sent so many seconds after."""
    rows = [
        reading(100 * partition + offset, sent, partition=partition, offset=offset)
        for partition, offset, sent in places
    ]
    lake.table(BRONZE).append(table(lake, BRONZE, rows), Note(job="land", spec_version="t"))


def book(lake: Lake, *entries: dict[str, Any]) -> None:
    """Rows of the ledger, each committed so many seconds after midnight."""
    defaults = {
        "table_name": BRONZE, "job": "land", "table_version": 1, "batch_id": None,
        "rows_written": 1, "verdicts": [], "offsets": [], "source_version_first": None,
        "source_version_last": None, "spec_version": "t",
    }  # fmt: skip
    rows = [{**defaults, **e, "committed_at": after(e["committed_at"])} for e in entries]
    lake.table("ops.ledger").append(
        table(lake, "ops.ledger", rows), Note(job="ledger", spec_version="t")
    )


def landed(version: int, at: float, *offsets: tuple[str, str]) -> dict[str, Any]:
    return {"table_version": version, "committed_at": at, "offsets": list(offsets)}


def streamed(
    name: str, version: int, at: float, first: int | None, last: int | None
) -> dict[str, Any]:
    return {
        "table_name": name, "job": "stream", "table_version": version, "committed_at": at,
        "source_version_first": first, "source_version_last": last,
    }  # fmt: skip


@pytest.fixture
def landed_lake(lake: Lake) -> Lake:
    """Bronze commit 1 at second 2 holds readings sent at 0 and 1; commit 2 at second 5.5 one that
    was sent at 2 and, on the other partition, one at 5; offset 3 between them is a dead letter."""
    land(lake, (0, 0, 0.0), (0, 1, 1.0))
    land(lake, (0, 2, 2.0), (1, 0, 5.0))
    book(lake, landed(1, 2.0, ("0", "0-1")), landed(2, 5.5, ("0", "2-3"), ("1", "0-0")))
    return lake


def test_a_reading_waits_for_the_gold_commit_of_the_batch_that_read_it(landed_lake: Lake) -> None:
    book(landed_lake, streamed(GOLD, 1, 4.0, 1, 1), streamed(GOLD, 2, 6.0, 2, 2))
    # 4 - 0, 4 - 1, 6 - 2 and 6 - 5: sorted 1, 3, 4, 4
    assert freshness_seconds(landed_lake) == {
        "p50_seconds": 3.5, "p95_seconds": 4.0, "p99_seconds": 4.0, "readings": 4,
    }  # fmt: skip


def test_one_batch_can_read_several_commits(landed_lake: Lake) -> None:
    book(landed_lake, streamed(GOLD, 1, 10.0, 0, 2))
    # 10, 9, 8 and 5
    assert freshness_seconds(landed_lake)["p50_seconds"] == 8.5


def test_warm_up_commits_are_left_out(landed_lake: Lake) -> None:
    book(landed_lake, streamed(GOLD, 1, 10.0, 0, 2))
    found = freshness_seconds(landed_lake, since_version=1)
    assert (found["p50_seconds"], found["readings"]) == (6.5, 2)  # 8 and 5


def test_later_commits_are_left_out(landed_lake: Lake) -> None:
    book(landed_lake, streamed(GOLD, 1, 10.0, 0, 2))
    found = freshness_seconds(landed_lake, until_version=1)
    assert (found["p50_seconds"], found["readings"]) == (9.5, 2)  # 10 and 9


def test_readings_without_a_gold_commit_are_left_out(landed_lake: Lake) -> None:
    book(landed_lake, streamed(GOLD, 1, 4.0, 1, 1), streamed(SILVER, 1, 6.0, 2, 2))
    assert freshness_seconds(landed_lake)["readings"] == 2


def test_only_the_first_gold_commit_counts_and_each_reading_once(landed_lake: Lake) -> None:
    correction = {**streamed(GOLD, 9, 50.0, 1, 2), "job": "recompute"}
    book(landed_lake, streamed(GOLD, 1, 10.0, 1, 2), streamed(GOLD, 2, 20.0, 2, 3), correction)
    found = freshness_seconds(landed_lake)
    assert (found["p50_seconds"], found["readings"]) == (8.5, 4)


def test_a_batch_that_only_moved_the_watermark_read_nothing(landed_lake: Lake) -> None:
    book(landed_lake, streamed(GOLD, 1, 10.0, None, None))
    assert freshness_seconds(landed_lake) == {
        "p50_seconds": None, "p95_seconds": None, "p99_seconds": None, "readings": 0,
    }  # fmt: skip


def test_hops_run_from_kafka_to_bronze_to_silver_to_gold(landed_lake: Lake) -> None:
    book(landed_lake, streamed(SILVER, 1, 6.0, 1, 2), streamed(GOLD, 1, 6.25, 1, 2))
    found = {hop: quantiles["p50_seconds"] for hop, quantiles in hop_seconds(landed_lake).items()}
    # to bronze 2, 1, 3.5 and 0.5; to silver 4, 4, 0.5 and 0.5; to gold always 0.25
    assert found == {"bronze": 1.5, "silver": 2.25, "gold": 0.25}


def test_the_ledger_that_the_jobs_write_is_the_one_that_is_read(lake: Lake) -> None:
    rows = table(lake, BRONZE, [reading(7, 0.0)])
    note = Note(job="land", spec_version="t", offsets={"0": "7-7"})
    version = lake.table(BRONZE).append(rows, note).version
    scores = lake.table(GOLD)
    note = Note(job="stream", spec_version="t", batch_id=0, source_versions=(version, version))
    commit = scores.append(scores.schema.empty_table(), note)
    project(lake, [BRONZE, GOLD])
    waited = (commit.committed_at - after(0.0)).total_seconds()
    assert freshness_seconds(lake)["p99_seconds"] == pytest.approx(waited, abs=1e-6)
