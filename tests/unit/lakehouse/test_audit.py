"""The balance holds, and is off by as much as was lost or counted twice."""

from typing import Any

import pytest

from lakehouse.audit import Check, balance, landing_balance
from lakehouse.commit import Note
from lakehouse.tables import Lake
from tests.rows import metric, reading, table

BRONZE, DEAD, SILVER = "bronze.traffic_event", "bronze.dead_letter", "silver.segment_metric"
NOTE = Note(job="test", spec_version="v")
IN_KAFKA = {0: (0, 4), 1: (10, 11)}
"""Partition 0 holds offsets 0 to 3, partition 1 offset 10; what was before it is deleted."""


def land(lake: Lake, *rows: dict[str, Any]) -> None:
    lake.table(BRONZE).append(table(lake, BRONZE, list(rows)), NOTE)


def bury(lake: Lake, offset: int) -> None:
    when = reading(0, 0)["landed_at"]
    row = {
        "topic": "traffic_event", "partition": 0, "offset": offset, "kafka_timestamp": when,
        "rule_ids": ["value_present"], "reason": "empty", "failed_at": when, "spec_version": "v",
    }  # fmt: skip
    lake.table(DEAD).append(table(lake, DEAD, [row]), NOTE)


def stream(lake: Lake, *counts: int) -> None:
    rows = [metric(f"s:{number}", 0, event_count=count) for number, count in enumerate(counts)]
    rows.append(metric("s:0", 0, window_seconds=900, event_count=1000))
    lake.table(SILVER).merge(table(lake, SILVER, rows), NOTE)


@pytest.fixture
def balanced(lake: Lake) -> Lake:
    """Five records: one is a dead letter, and of the four readings two are the same."""
    land(lake, reading(0, 0), reading(1, 1), reading(1, 1, offset=3))
    land(lake, reading(10, 2, partition=1))
    bury(lake, 2)
    stream(lake, 2, 1)
    return lake


def sides(lake: Lake) -> list[tuple[int, int]]:
    return [(check.expected, check.found) for check in balance(lake, IN_KAFKA)]


def test_the_balance_holds(balanced: Lake) -> None:
    checks = balance(balanced, IN_KAFKA)
    assert sides(balanced) == [(5, 5), (5, 5), (3, 3)]
    assert all(check.is_ok for check in checks)
    assert landing_balance(balanced, IN_KAFKA) == checks[:2]


def test_a_record_that_was_not_landed_is_missing(balanced: Lake) -> None:
    more = {**IN_KAFKA, 0: (0, 5), 7: (0, 2)}
    assert [(c.expected, c.found) for c in landing_balance(balanced, more)] == [(8, 5), (5, 5)]


def test_a_record_that_was_landed_twice_has_no_offset_of_its_own(balanced: Lake) -> None:
    land(balanced, reading(0, 0))
    assert sides(balanced) == [(5, 5), (6, 5), (3, 3)]


def test_a_record_that_is_row_and_dead_letter_at_once_is_off(balanced: Lake) -> None:
    bury(balanced, 1)
    assert sides(balanced) == [(5, 5), (6, 5), (3, 3)]


def test_a_doubled_row_does_not_make_up_for_a_lost_one(lake: Lake) -> None:
    land(lake, reading(0, 0), reading(0, 0), reading(1, 1), reading(10, 2, partition=1))
    bury(lake, 2)
    assert sides(lake)[:2] == [(5, 4), (5, 4)]


def test_an_event_that_silver_has_not_counted_is_off(balanced: Lake) -> None:
    stream(balanced, 1, 1)
    assert sides(balanced) == [(5, 5), (5, 5), (3, 2)]


def test_an_event_that_silver_has_counted_twice_is_off(balanced: Lake) -> None:
    stream(balanced, 3, 1)
    assert sides(balanced)[2] == (3, 4)


def test_what_retention_has_deleted_from_kafka_is_owed_no_more(balanced: Lake) -> None:
    later = {0: (3, 4), 1: (11, 11)}
    assert [(c.expected, c.found) for c in landing_balance(balanced, later)] == [(1, 1), (5, 5)]


def test_an_empty_lake_and_an_empty_topic_agree(lake: Lake) -> None:
    assert [(c.expected, c.found) for c in balance(lake, {})] == [(0, 0)] * 3


def test_a_check_is_ok_when_both_sides_are_equal() -> None:
    assert Check("name", 3, 3).is_ok
    assert not Check("name", 3, 2).is_ok
